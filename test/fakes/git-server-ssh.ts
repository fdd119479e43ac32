import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const sshd = '/usr/sbin/sshd';
/** Why no sshd can be started here, in a word for the title; undefined where one can. */
export const lackingSshd = existsSync(sshd) ? undefined : 'sshd (openssh-server)';

/** An sshd of the test's own: its own port, host key, and the one user key that it takes. */
export interface SshServer {
  readonly port: number;
  readonly user: string;
  /** The private key that may come in, as text. */
  readonly key: string;
  /** Another one, which may not. */
  readonly strangerKey: string;
  /** Its line of `known_hosts`. */
  readonly knownHost: string;
  /** Such a line with another key. */
  readonly otherKnownHost: string;
  close(): Promise<void>;
}

export async function startSshServer(): Promise<SshServer> {
  const dir = mkdtempSync(join(tmpdir(), 'runyard-sshd-'));
  const makeKey = (name: string) => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', join(dir, name)]);
    return { secret: readFileSync(join(dir, name), 'utf8'), open: readFileSync(join(dir, `${name}.pub`), 'utf8') };
  };
  const [host, other, user, stranger] = ['host', 'other', 'user', 'stranger'].map(makeKey);
  const port = await freePort();
  writeFileSync(join(dir, 'authorized'), user!.open);
  writeFileSync(
    join(dir, 'config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${join(dir, 'host')}`,
      `AuthorizedKeysFile ${join(dir, 'authorized')}`,
      `PidFile ${join(dir, 'pid')}`,
      ...['StrictModes no', 'UsePAM no', 'PasswordAuthentication no', 'KbdInteractiveAuthentication no'],
      'PermitRootLogin prohibit-password',
    ].join('\n'),
  );
  chmodSync(dir, 0o755);
  // Where the service itself would make it.
  if (process.getuid?.() === 0) execFileSync('mkdir', ['-p', '-m', '755', '/run/sshd']);
  const server = spawn(sshd, ['-D', '-e', '-f', join(dir, 'config')], { stdio: 'ignore' });
  await untilItListens(port);
  const line = (key: string) => `[127.0.0.1]:${port} ${key.split(' ').slice(0, 2).join(' ')}`;
  return {
    port,
    user: userInfo().username,
    key: user!.secret,
    strangerKey: stranger!.secret,
    knownHost: line(host!.open),
    otherKnownHost: line(other!.open),
    async close() {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

// --- Internal helpers ---

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('there is no free port');
  return address.port;
}

async function untilItListens(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const listens = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (listens) return;
    await sleep(50);
  }
  throw new Error('sshd does not listen');
}

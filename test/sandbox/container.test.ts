import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { arch } from 'node:process';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { rows } from '../../src/sandbox/shared/seccomp/table.ts';
import { describeContainer } from './container-bench.ts';
import { type Attempt, tryIn } from './harness.ts';
import { namespaceOf, statusOf } from './host-view.ts';
import { calls, hunter } from './programs.ts';

const wait = 'import time\nprint("ready", flush=True)\ntime.sleep(60)';

/** The programs of the battery, in a container: what the engine was asked for is what the program meets. */
describeContainer('a container', ({ sandbox, engine }) => {
  const attempt = (one: Attempt) => tryIn(sandbox(), { deadlineMs: 50_000, ...one });

  describe('W10: the network', () => {
    test('W10: is lo alone, with no route out and none of the host’s listeners', async () => {
      const visitors: string[] = [];
      const server = createServer((socket) => void visitors.push(String(socket.remoteAddress)));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const trial = await attempt({
        python: `
import json, socket
def reaches(host, port):
    try: socket.create_connection((host, port), 2); return True
    except OSError: return False
routes = open('/proc/net/route').read().splitlines()[1:]
print(json.dumps({'interfaces': [n for _, n in socket.if_nameindex()], 'routes': routes,
  'reached': [h for h in ('127.0.0.1', 'localhost', 'host.docker.internal', 'host.containers.internal', '169.254.169.254', '10.0.2.2') if reaches(h, ${port}) or reaches(h, 80)]}))`,
      });
      server.close();
      expect(trial.said(z.unknown())).toEqual({ interfaces: ['lo'], routes: [], reached: [] });
      expect(visitors).toEqual([]);
    });

    test('W10: is no way around by vsock, raw or netlink sockets', async () => {
      const trial = await attempt({
        python: `
import json, socket
opened = []
for family, kind, protocol in ((40, 1, 0), (17, 3, 0), (2, 3, 1), (16, 3, 9), (16, 3, 12), (38, 5, 0), (44, 3, 0)):
    try: socket.socket(family, kind, protocol); opened.append(family)
    except OSError: pass
print(json.dumps(opened))`,
      });
      expect(trial.said(z.array(z.int()))).toEqual([]);
    });
  });

  describe('W10: who the program is', () => {
    test('W10: an ordinary user without a capability, which it cannot gain, in namespaces of its own', async () => {
      await attempt({
        python: wait,
        whileAlive: (live) => {
          for (const pid of live.pids()) {
            const status = statusOf(pid);
            for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(status[set]).toMatch(/^0+$/);
            expect([status.NoNewPrivs, status.Seccomp]).toEqual(['1', '2']);
            // The engine's own filter and ours.
            expect(Number(status.Seccomp_filters)).toBeGreaterThanOrEqual(2);
            expect(status.Uid?.split('\t')).not.toContain('0');
            for (const kind of ['pid', 'net', 'ipc', 'uts', 'mnt', 'cgroup'] as const) {
              expect(namespaceOf(pid, kind), kind).not.toBe(namespaceOf(process.pid, kind));
            }
          }
        },
      });
    });

    test('W10: it can become nobody else, and no file of the image lends it rights', async () => {
      const trial = await attempt({
        python: `
import json, os, stat
def works(act):
    try: act(); return True
    except OSError: return False
became = [i for i in (0, 1, 990, 65534) if works(lambda: os.setresuid(i, i, i)) or works(lambda: os.setresgid(i, i, i)) or works(lambda: os.setgroups([i]))]
lent = [os.path.join(f, n) for top in ('/usr', '/opt', '/runyard', '/etc') for f, _, names in os.walk(top) for n in names if os.lstat(os.path.join(f, n)).st_mode & 0o6000 and not os.path.islink(os.path.join(f, n))]
print(json.dumps({'became': became, 'lent': lent}))`,
      });
      expect(trial.said(z.unknown())).toEqual({ became: [], lent: [] });
    });

    test('W10: every call that the filter refuses is refused, whatever the engine’s own allows', async () => {
      const here = arch === 'arm64' ? 'arm64' : 'x64';
      const refused = rows.flatMap(({ calls: named }) =>
        Object.entries(named).flatMap(([name, { [here]: number }]) => (number === undefined ? [] : [{ name, number }])),
      );
      const trial = await attempt(calls(refused.map(({ number }) => [number, 0, 0, 0, 0, 0, 0])));
      const answers = trial.said(z.array(z.union([z.int(), z.string()])));
      const carriedOut = refused.filter((_, index) => ![1, 38].includes(Number(answers[index])));
      expect(carriedOut).toEqual([]);
      expect(answers).toHaveLength(refused.length);
    });
  });

  describe('W10: the files', () => {
    test('W10: the root is read-only; only the workspace, sized memory and what the kernel keeps can be written', async () => {
      const trial = await attempt({
        python: `
import json, os
def works(act):
    try: act(); return True
    except OSError: return False
places = ['/', '/usr', '/usr/bin', '/etc', '/opt/runyard', '/runyard', '/runyard/bin', '/var', '/var/tmp', '/run', '/dev', '/proc', '/proc/sys/kernel', '/sys', '/sys/fs/cgroup', '/sys/fs/cgroup/memory']
done = [p for p in places if works(lambda: open(p + '/x', 'w').close()) or works(lambda: os.mkdir(p + '/x.d')) or works(lambda: os.chmod(p, 0o777))]
knobs = ['/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname', '/proc/sysrq-trigger', '/proc/1/mem', '/proc/1/oom_score_adj', '/sys/fs/cgroup/pids.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/power/state']
opened = [k for k in knobs if works(lambda: os.close(os.open(k, os.O_WRONLY)))]
mounts = [line.split() for line in open('/proc/self/mounts')]
unsized = [m[1] for m in mounts if m[1] in ('/tmp', '/dev/shm') and 'size=' not in m[3]]
print(json.dumps({'done': done, 'opened': opened, 'unsized': unsized}))`,
      });
      expect(trial.said(z.unknown())).toEqual({ done: [], opened: [], unsized: [] });
    });

    test('W10: nothing of the host is there: no file, no socket of an engine, no name', async () => {
      const canary = `runyard-canary-${randomBytes(16).toString('hex')}`;
      const folders = [homedir(), tmpdir(), '/var/tmp'].map((parent) => mkdtempSync(join(parent, 'runyard-battery-')));
      const paths = folders.map((folder) => join(folder, 'secret'));
      for (const path of paths) writeFileSync(path, canary);
      const trial = await attempt(hunter(paths));
      for (const folder of folders) rmSync(folder, { recursive: true });
      expect(trial.said(z.record(z.string(), z.string()))).toEqual({});
      const { stdout } = await attempt({
        python: `
import glob, os, stat, subprocess
for path in ('/etc/hosts', '/etc/hostname', '/etc/resolv.conf', '/proc/sys/kernel/hostname', '/proc/sys/kernel/domainname'): print(open(path).read())
sockets = [os.path.join(f, n) for top in ('/run', '/var', '/tmp', '/dev', '/workspace', '/opt', '/etc') for f, _, names in os.walk(top) for n in names if stat.S_ISSOCK(os.lstat(os.path.join(f, n)).st_mode)]
print('sockets', sockets, glob.glob('/run/**/*.sock', recursive=True), dict(os.environ))`,
      });
      expect(stdout).toContain('sockets [] []');
      expect(stdout).not.toMatch(/containers\.internal|docker\.internal|nameserver (?!127)|search \w/);
      // A machine may be called what every container is called.
      if (hostname() !== 'runyard') expect(stdout).not.toMatch(new RegExp(`\\b${hostname()}\\b`));
    });

    test('W10: a setuid file made inside is none', async () => {
      // Docker's volumes know no nosuid: there it is of no use because nothing inside gains a privilege.
      const without = engine().kind === 'docker' ? ['/workspace'] : [];
      const { stdout } = await attempt({
        python: `
import os, shutil, subprocess
for folder in ('/workspace', '/tmp', '/dev/shm'):
    shutil.copy('/usr/bin/id', folder + '/suid'); os.chmod(folder + '/suid', 0o6755)
print([line.split()[1] for line in open('/proc/self/mounts') if line.split()[1] in ${JSON.stringify(['/workspace', '/tmp', '/dev/shm'])} and 'nosuid' not in line.split()[3].split(',')])
print([line.split()[1] for line in open('/proc/self/status') if line.startswith('NoNewPrivs')])`,
      });
      expect(stdout.replaceAll("'", '"')).toBe(`${JSON.stringify(without)}\n["1"]\n`);
    });
  });
});

test('W10: what starts a container asks for no network, no capability, no host, and says nothing of a program', async () => {
  const { containerArguments } = await import('../../src/sandbox/container/arguments.ts');
  const limits = { memoryBytes: 1024, cpus: 1, processes: 5, workspaceBytes: 1, workspaceInodes: 1 };
  for (const kind of ['podman', 'docker'] as const) {
    const args = containerArguments({ kind, limits: true }, { name: 'n', image: 'i', labels: {}, limits, init: [] });
    const line = args.join(' ');
    for (const asked of [
      '--network none',
      '--cap-drop all',
      '--security-opt no-new-privileges',
      '--read-only',
      '--user 1000:1000',
    ]) {
      expect(line).toContain(asked);
    }
    for (const asked of [
      '--pids-limit 5',
      '--memory 1024',
      '--memory-swap 1024',
      '--log-driver none',
      '--pull never',
    ]) {
      expect(line).toContain(asked);
    }
    expect(line).not.toMatch(
      /--privileged|--cap-add|--env|--volume |--pid |--publish|--device|seccomp=unconfined|\.sock/,
    );
    // Of podman, in place of the host's resolver.
    expect(line.match(/source=[^,\s]*/g) ?? []).toEqual(kind === 'podman' ? ['source=/dev/null'] : []);
  }
});

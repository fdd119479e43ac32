import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { describeWall, useSandbox } from './bench.ts';
import type { Attempt, Trial } from './harness.ts';

const MiB = 1024 * 1024;

describeWall('what a program leaves behind', () => {
  const bench = useSandbox();

  /** Runs what makes the files, in `output/`, and collects them. */
  async function leave(python: string, collect: Attempt['collect'] = {}, more: Partial<Attempt> = {}): Promise<Trial> {
    const trial = await bench.attempt({
      python: `import os, socket, json\nos.chdir('/workspace/output')\n${python}`,
      collect,
      ...more,
    });
    expect(trial.stderr).toBe('');
    expect(trial.end).toMatchObject({ cause: 'exited', exitCode: 0 });
    return trial;
  }

  const contents = ({ files }: Trial) =>
    Object.fromEntries([...files].map(([path, content]) => [path, content.toString()]));

  /** A folder of the host with a secret, which no collection may bring. */
  async function withSecret(look: (folder: string, secret: string) => Promise<void>): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'runyard-battery-'));
    const secret = randomBytes(16).toString('hex');
    writeFileSync(join(folder, 'secret'), secret);
    try {
      await look(folder, secret);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  test('W7, prior C5a: links of every kind bring nothing of the host, and the files beside them are kept', async () => {
    await withSecret(async (folder, secret) => {
      const trial = await leave(`
open('kept', 'w').write('mine')
for n, target in enumerate(['/etc/passwd', '/etc/shadow', '${folder}', '${folder}/secret', '/proc/1/root${folder}/secret', '/proc/self/environ', '../../../../../..${folder}/secret', '/', '.', 'loop', 'kept']):
    os.symlink(target, f'link{n}')
os.symlink('loop', 'loop')
os.mkdir('sub'); os.symlink('${folder}', 'sub/folder'); os.symlink('..', 'sub/up')`);
      expect(contents(trial)).toEqual({ 'output/kept': 'mine' });
      expect(JSON.stringify([...trial.files.values()].map(String))).not.toContain(secret);
    });
  });

  const replacements: readonly [what: string, python: (folder: string) => string][] = [
    ['a link to a folder of the host', (folder) => `os.symlink('${folder}', '/workspace/output')`],
    ['a link to the root of the host', () => `os.symlink('/', '/workspace/output')`],
    [
      'a link to the workspace',
      () => `open('/workspace/secret', 'w').write('x'); os.symlink('.', '/workspace/output')`,
    ],
    ['a FIFO', () => `os.mkfifo('/workspace/output')`],
    ['a file', () => `open('/workspace/output', 'w').write('x')`],
    ['a socket', () => `socket.socket(socket.AF_UNIX).bind('/workspace/output')`],
    ['gone', () => 'pass'],
  ];
  test.each(replacements)('W7: where output itself is %s, nothing is collected', async (_, python) => {
    await withSecret(async (folder) => {
      const trial = await leave(`os.chdir('/workspace'); os.rmdir('output')\n${python(folder)}`);
      expect(contents(trial)).toEqual({});
    });
  });

  test('W7: FIFOs, sockets and devices hold nothing up, and no device can be made', async () => {
    const trial = await leave(`
open('kept', 'w').write('mine')
for n in range(50): os.mkfifo(f'fifo{n}')
socket.socket(socket.AF_UNIX).bind('socket')
made = []
for kind, device in ((0o020000, os.makedev(1, 3)), (0o060000, os.makedev(8, 0)), (0o020000, os.makedev(5, 1))):
    try: os.mknod(f'device{device}', kind | 0o666, device); made.append(device)
    except OSError: pass
print(json.dumps(made))`);
    expect(trial.said(z.array(z.unknown()))).toEqual([]);
    // Whoever is held up is so for ever: the attempt has a deadline.
    expect(contents(trial)).toEqual({ 'output/kept': 'mine' });
  });

  test('W7: sparse files of 1 TB cost neither time nor space', async () => {
    const trial = await leave(`
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
open('kept', 'w').write('mine')
for n in range(20):
    try: os.truncate(os.open(f'sparse{n}', os.O_CREAT | os.O_RDWR), 1 << 40)
    except OSError: os.unlink(f'sparse{n}')
for n in range(3): os.truncate(os.open(f'large{n}', os.O_CREAT | os.O_RDWR), 200 << 20)`);
    expect(trial.files.get('output/kept')?.toString()).toBe('mine');
    expect([...trial.files.values()].reduce((sum, content) => sum + content.length, 0)).toBeLessThanOrEqual(64 * MiB);
    expect(trial.skipped).toBeGreaterThanOrEqual(3);
  });

  test('W7: hard links come as the files they are, and none leads to the host', async () => {
    const trial = await leave(`
open('one', 'w').write('same')
os.link('one', 'two')
for path in ('/etc/passwd', '/usr/bin/env', '/runyard/init', '/dev/null'):
    try: os.link(path, 'stolen' + path.replace('/', '_'))
    except OSError: pass`);
    expect(contents(trial)).toEqual({ 'output/one': 'same', 'output/two': 'same' });
  });

  test('W7: names of any bytes arrive escaped, whole and apart', async () => {
    const trial = await leave(`
names = [b'-rf', b'--checkpoint-action=exec=sh', b'new\\nline', b'tab\\there', b'\\x1b[31mred', b'\\xff\\xfe', b'back\\\\slash', b'\\\\x0a', b' space ', b'\\xc3\\xa9', b'..x', b'*?[', b'"quote\\'', b'$(id)', b'\\xe2\\x80\\xaertl', b'a' * 255]
for n, name in enumerate(names):
    with open(b'/workspace/output/' + name, 'w') as file: file.write(str(n))`);
    expect(
      [...trial.files.values()]
        .map(String)
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual(Array.from({ length: 16 }, (_, n) => n));
    const paths = [...trial.files.keys()];
    expect(new Set(paths).size).toBe(16);
    expect(paths.filter((path) => /[\p{Cc}\ufffd]/u.test(path) || !path.startsWith('output/'))).toEqual([]);
    expect(contents(trial)).toMatchObject({
      'output/-rf': '0',
      'output/new\\x0aline': '2',
      'output/\\xff\\xfe': '5',
      'output/é': '9',
    });
  });

  test('W7: what its owner may not read is no obstacle to the rest', async () => {
    const trial = await leave(`
open('kept', 'w').write('mine')
open('dark', 'w').write('dark'); os.chmod('dark', 0)
os.mkdir('closed'); open('closed/inside', 'w').write('inside'); os.chmod('closed', 0)
os.mkdir('listless'); open('listless/inside', 'w').write('inside'); os.chmod('listless', 0o311)`);
    expect(trial.files.get('output/kept')?.toString()).toBe('mine');
  });

  test('W7: a workspace that was shut is no obstacle to what lies in it', async () => {
    const trial = await leave(`open('kept', 'w').write('mine'); os.chmod('/workspace', 0)`);
    expect(contents(trial)).toEqual({ 'output/kept': 'mine' });
  });

  test('W7: names too long for a path of the store are left behind and counted', async () => {
    const trial = await leave(`
open('kept', 'w').write('mine')
open(b'\\xff' * 250, 'w').write('escaped')
for n in range(4):
    os.mkdir(b'\\x01' * 250); os.chdir(b'\\x01' * 250)
    open('long', 'w').write(str(n))`);
    expect([...trial.files.values()].map(String).sort()).toEqual(['0', 'escaped', 'mine'].sort());
    expect(trial.skipped).toBe(3);
  });

  test('W7: very deep folders end the collection of neither the rest nor the wall', async () => {
    const trial = await leave(`
open('kept', 'w').write('mine')
for n in range(3000):
    os.mkdir('d' * 100); os.chdir('d' * 100)
open('deep', 'w').write('deep')`);
    expect(contents(trial)).toEqual({ 'output/kept': 'mine' });
    expect(bench.filesBelowWork().filter(({ path }) => path.includes('/output/'))).toEqual([]);
  });

  test('W7: of too many files as many are taken as may be, and the rest is counted', async () => {
    const trial = await leave(
      `for n in range(30000): os.close(os.open(f'{n}', os.O_CREAT | os.O_WRONLY))`,
      { maxFiles: 1000 },
      { limits: { workspaceInodes: 200_000 }, deadlineMs: 45_000 },
    );
    expect(trial.files.size).toBe(1000);
    expect(trial.skipped).toBeGreaterThan(0);
  });

  test('W7: of too many bytes as many are taken as may be', async () => {
    const trial = await leave(`for n in range(10): open(f'{n}', 'wb').write(b'x' * (1 << 20))`, { maxBytes: 4 * MiB });
    expect([...trial.files.values()].reduce((sum, content) => sum + content.length, 0)).toBeLessThanOrEqual(4 * MiB);
    expect(trial.files.size).toBeGreaterThanOrEqual(3);
    expect(trial.files.size + trial.skipped).toBe(10);
  });

  test('W7: a choice among the files is offered every regular file of the workspace and no other', async () => {
    const offered: string[] = [];
    const trial = await leave(
      `os.chdir('/workspace')\nos.makedirs('a/b'); open('a/b/c.txt', 'w').write('c'); open('top', 'w').write('top'); os.symlink('/etc', 'etc'); os.symlink('top', 'also'); os.mkfifo('fifo')`,
      {
        select: (paths) => {
          offered.push(...paths);
          return Promise.resolve([
            ...paths.filter((path) => path.endsWith('.txt')),
            '/etc/passwd',
            '../../../etc/passwd',
            'etc/passwd',
            'also',
          ]);
        },
      },
    );
    expect(offered.sort()).toEqual(['a/b/c.txt', 'top']);
    expect(contents(trial)).toEqual({ 'a/b/c.txt': 'c' });
  });

  test('W7: a program that poses as the packer does not run in the collection', async () => {
    const trial = await leave(`
open('kept', 'w').write('mine')
for name in ('find', 'head', 'tar', 'sh', 'sort', 'bash', 'node', 'python3'):
    for folder in ('/workspace', '/workspace/output', '/tmp', '/tmp/home'):
        open(folder + '/' + name, 'w').write('#!/bin/sh\\necho owned > /workspace/output/owned; echo owned\\n'); os.chmod(folder + '/' + name, 0o755)
for name in ('.bashrc', '.profile', '.tarrc'): open('/tmp/home/' + name, 'w').write('echo owned')`);
    expect(trial.files.get('output/kept')?.toString()).toBe('mine');
    expect([...trial.files.values()].map(String).filter((content) => content === 'owned\n')).toEqual([]);
    expect(trial.files.has('output/owned')).toBe(false);
  });
});

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { describeWall, useSandbox } from './bench.ts';
import { isRoot } from './open.ts';
import { hunter } from './programs.ts';

const found = z.record(z.string(), z.string());

function newCanary(): string {
  return `runyard-canary-${randomBytes(16).toString('hex')}`;
}

describeWall('the files of the host', () => {
  const bench = useSandbox();
  const folders: string[] = [];

  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  function plant(parent: string): { path: string; canary: string } {
    const folder = mkdtempSync(join(parent, 'runyard-battery-'));
    folders.push(folder);
    chmodSync(folder, 0o755);
    const canary = newCanary();
    const path = join(folder, 'secret');
    writeFileSync(path, canary, { mode: 0o644 });
    utimesSync(path, new Date(Date.now() - 3_600_000), new Date());
    return { path, canary };
  }

  const readAtMs = (path: string) => statSync(path).atimeMs;

  test('W3, prior B1a: a program that reads all it can meets its own canary and none of the host’s', async () => {
    const parents = [homedir(), tmpdir(), '/dev/shm', ...(isRoot ? ['/var/lib', '/run', bench.workDir] : [])];
    const planted = parents.map(plant);
    const own = newCanary();
    const before = planted.map(({ path }) => readAtMs(path));
    const trial = await bench.attempt({
      ...hunter(planted.map(({ path }) => path)),
      files: [...(hunter([]).files ?? []), { path: 'mine', content: Buffer.from(own) }],
    });
    expect(Object.keys(trial.said(found))).toEqual([own]);
    expect(planted.map(({ path }) => readAtMs(path))).toEqual(before);
  });

  test('W3: /etc/shadow, /root, /var, /home, /run, /sys and /boot of the host are not there', async () => {
    const trial = await bench.attempt({
      python: `
import os, json
paths = ['/etc/shadow', '/etc/gshadow', '/etc/sudoers', '/etc/ssh', '/root', '/home', '/var', '/run', '/sys', '/boot', '/mnt', '/opt', '/srv']
print(json.dumps({'there': [p for p in paths if os.path.lexists(p)], 'root': sorted(os.listdir('/')), 'passwd': open('/etc/passwd').read()}))`,
    });
    const said = trial.said(z.object({ there: z.array(z.string()), root: z.array(z.string()), passwd: z.string() }));
    expect(said.there).toEqual([]);
    expect(said.root.filter((name) => !/^(s?bin|lib\w*|usr|etc|proc|dev|tmp|workspace|runyard)$/.test(name))).toEqual(
      [],
    );
    expect(said.passwd).not.toBe(readFileSync('/etc/passwd', 'utf8'));
  });

  test('W2: nothing outside the workspace and /tmp can be written, changed or removed', async () => {
    const name = `runyard-battery-${randomBytes(8).toString('hex')}`;
    const places = [
      '/usr',
      '/usr/bin',
      '/etc',
      '/runyard',
      '/dev',
      '/',
      '/proc',
      '/proc/sys/kernel',
      '/usr/lib',
      '/etc/ssl',
      '/workspace/..',
    ];
    const modes = () => ['/usr/bin/env', '/usr/bin', '/etc/passwd'].map((path) => statSync(path).mode);
    const before = modes();
    const writer = {
      python: `
import os, json
def works(act):
    try: act(); return True
    except OSError: return False
done = []
for place in ${JSON.stringify(places)}:
    path = place + '/${name}'
    acts = {'create': lambda: open(path, 'w').close(), 'mkdir': lambda: os.mkdir(path + '.d'), 'fifo': lambda: os.mkfifo(path + '.f'),
            'link': lambda: os.symlink('/', path + '.l'), 'chmod': lambda: os.chmod(place, 0o777), 'chown': lambda: os.chown(place, 1000, 1000),
            'utime': lambda: os.utime(place), 'xattr': lambda: os.setxattr(place, 'user.x', b'y')}
    done += [place + ' ' + what for what, act in acts.items() if works(act)]
for path in ['/usr/bin/env', '/etc/passwd', '/runyard/init', '/runyard/program', '/runyard/bin/node', '/proc/self/exe', '/proc/1/exe']:
    acts = {'write': lambda: open(path, 'r+b').close(), 'chmod': lambda: os.chmod(path, 0o4777), 'remove': lambda: os.unlink(path),
            'rename': lambda: os.rename(path, path + '.old'), 'truncate': lambda: os.truncate(path, 0), 'hard link': lambda: os.link(path, '/workspace/hard')}
    done += [path + ' ' + what for what, act in acts.items() if works(act)]
print(json.dumps(done))`,
    };
    expect((await bench.attempt(writer)).said(z.array(z.string()))).toEqual([]);
    const left = places
      .filter((place) => existsSync(place))
      .flatMap((place) => readdirSync(place).filter((one) => one.startsWith(name)));
    expect(left).toEqual([]);
    expect(modes()).toEqual(before);
  });

  test('W2: every mount is read-only but the workspace, the sized tmpfs and the devices, and none honours setuid', async () => {
    await bench.attempt({
      python: 'import time\nprint("ready", flush=True)\ntime.sleep(60)',
      whileAlive: (live) => {
        const mounts = readFileSync(`/proc/${live.programPids()[0]}/mountinfo`, 'utf8').trim().split('\n');
        const fields = mounts.map((line) => line.split(' '));
        const writable = fields.filter(([, , , , , options]) => options?.split(',').includes('rw'));
        const places = writable.map(([, , , , place]) => place ?? '').filter((place) => !isDevice(place));
        expect(places.sort()).toEqual(['/dev/pts', '/dev/shm', '/tmp', '/workspace']);
        expect(fields.filter(([, , , , , options]) => !options?.split(',').includes('nosuid'))).toEqual([]);
        expect(mounts.filter((line) => / (\/tmp|\/dev\/shm) /.test(line) && !/size=\d+/.test(line))).toEqual([]);
      },
    });
  });

  test('W2: a setuid file is out of reach of other users while its run lives, and unusable and gone afterwards', async () => {
    const maker = `
import os, shutil, time
for folder in ('/workspace', '/workspace/output', '/tmp'):
    for name, mode in (('suid', 0o4755), ('sgid', 0o2755)):
        shutil.copy('/bin/sh', folder + '/' + name)
        os.chmod(folder + '/' + name, mode)
os.chmod('/workspace', 0o777)
print('ready', flush=True)
time.sleep(30)`;
    const found = () => bench.filesBelowWork().filter(({ path }) => /\/s[ug]id$/.test(path));
    await bench.attempt({
      python: maker,
      collect: {},
      whileAlive: () => {
        expect(found()).toHaveLength(4);
        for (const { uid } of found()) expect(uid === 0).toBe(false);
        if (isRoot) for (const { path } of found()) expect(runAs(65_534, path).error).toBe('EACCES');
      },
      afterEnd: (trial) => {
        expect([...trial.files.keys()].sort()).toEqual(['output/sgid', 'output/suid']);
        if (isRoot) for (const { path } of found()) expect(runAs(65_534, path).error).toBe('EACCES');
      },
    });
    expect(found()).toEqual([]);
  });

  test('W8: nothing is placed into a workspace once untrusted code has been in it', async () => {
    const wall = await bench.enter();
    try {
      const target = mkdtempSync(join(tmpdir(), 'runyard-battery-'));
      folders.push(target);
      await wall.place([{ path: 'early', content: Buffer.from('x') }]);
      const argv = ['/bin/sh', '-c', `rm -rf output; ln -s ${target} output; ln -s ${target}/note late`];
      const running = wall.start(bench.program(argv), { output: () => undefined });
      await running.ended;
      for (const path of ['late', 'output/note']) {
        await expect(wall.place([{ path, content: Buffer.from('y') }])).rejects.toThrow();
      }
      expect(readdirSync(target)).toEqual([]);
    } finally {
      await wall.remove();
    }
  });

  test('W2: a program that shuts its own stdout and stderr shuts them for no later run', async () => {
    for (let run = 0; run < 4; run++) await bench.attempt({ python: 'import os\nfor fd in (1, 2): os.fchmod(fd, 0)' });
    for (let run = 0; run < 6; run++) {
      const { stdout, stderr } = await bench.attempt({
        python: `for name in ('stdout', 'stderr'): open('/dev/' + name, 'w').write('open')`,
      });
      expect([stdout, stderr]).toEqual(['open', 'open']);
    }
  });
});

function isDevice(path: string): boolean {
  return /^\/dev\/(null|zero|full|random|urandom|tty|console)$/.test(path);
}

/** What becomes of a program of the host that another user starts. */
function runAs(uid: number, path: string): { error: string | undefined } {
  const { error } = spawnSync(path, ['-p', '-c', 'id'], { uid, gid: uid, cwd: '/' });
  return { error: error !== undefined && 'code' in error ? String(error.code) : undefined };
}

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { describeWall, useSandbox } from './bench.ts';
import { allPids, cmdlineOf, descriptorsOf, namespaceKinds, namespaceOf, statusOf, uidsOf } from './host-view.ts';
import { isRoot } from './open.ts';

const wait = 'import time\nprint("ready", flush=True)\ntime.sleep(30)';

describeWall('who the program is', () => {
  const bench = useSandbox();

  test.skipIf(!isRoot)('W1: started by root, nothing in the wall is root to the kernel (needs root)', async () => {
    await bench.attempt({
      python: wait,
      whileAlive: (live) => {
        expect(live.pids().length).toBeGreaterThanOrEqual(2);
        for (const pid of live.pids()) {
          const status = statusOf(pid);
          const ids = [...uidsOf(pid), ...(status.Gid ?? '').split('\t').map(Number)];
          expect(ids).toHaveLength(8);
          for (const id of ids) expect(id).toBeGreaterThan(0);
          expect(new Set(ids).size).toBe(1);
          expect(
            (status.Groups ?? '')
              .trim()
              .split(/\s+/)
              .filter((group) => group !== '' && group !== String(ids[0])),
          ).toEqual([]);
        }
      },
    });
  });

  test('W1: no process in the wall has a capability, can gain one, or goes without a filter', async () => {
    await bench.attempt({
      python: wait,
      whileAlive: (live) => {
        for (const pid of live.pids()) {
          const status = statusOf(pid);
          for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
            expect(status[set], set).toMatch(/^0+$/);
          expect([status.NoNewPrivs, status.Seccomp, status.Seccomp_filters]).toEqual(['1', '2', '1']);
        }
      },
    });
  });

  test('W1: inside it is uid 1000 and can become nobody else', async () => {
    const trial = await bench.attempt({
      python: `
import os, json
def works(act):
    try: act(); return True
    except OSError: return False
became = [i for i in (0, 1, 999, 1001, 60578, 65534) if works(lambda: os.setresuid(i, i, i)) or works(lambda: os.setresgid(i, i, i)) or works(lambda: os.setgroups([i]))]
print(json.dumps({'ids': [os.getuid(), os.geteuid(), os.getgid(), os.getegid()], 'became': became, 'map': open('/proc/self/uid_map').read().split(), 'setgroups': open('/proc/self/setgroups').read().strip()}))`,
    });
    const said = trial.said(
      z.object({ ids: z.array(z.int()), became: z.array(z.int()), map: z.array(z.string()), setgroups: z.string() }),
    );
    expect(said.ids).toEqual([1000, 1000, 1000, 1000]);
    expect(said.became).toEqual([]);
    expect(said.map.filter((_, index) => index !== 1)).toEqual(['1000', '1']);
    expect(said.setgroups).toBe('deny');
  });

  test('W1: the kernel’s own knobs keep their values', async () => {
    const knobs = [
      '/proc/sys/kernel/core_pattern',
      '/proc/sys/kernel/domainname',
      '/proc/sys/kernel/hostname',
      '/proc/sys/vm/overcommit_memory',
    ];
    const values = () => knobs.map((knob) => readFileSync(knob, 'utf8'));
    const before = values();
    const trial = await bench.attempt({
      python: `
import glob, json, os, socket
opened = []
for path in glob.glob('/proc/sys/**', recursive=True) + ['/proc/sysrq-trigger', '/proc/self/oom_score_adj', '/proc/1/oom_score_adj', '/proc/self/coredump_filter', '/proc/irq/0/smp_affinity', '/proc/self/uid_map', '/proc/self/gid_map', '/proc/self/setgroups', '/proc/1/mem']:
    if os.path.isdir(path): continue
    try:
        os.close(os.open(path, os.O_WRONLY)); opened.append(path)
    except OSError: pass
for path in ${JSON.stringify(knobs)}:
    try: open(path, 'w').write('|/workspace/owned')
    except OSError: pass
try: socket.sethostname('owned')
except OSError: pass
print(json.dumps(opened))`,
    });
    expect(trial.said(z.array(z.string()))).toEqual([]);
    expect(values()).toEqual(before);
  });

  test('W5: every process in the wall has every namespace of its own', async () => {
    await bench.attempt({
      python: wait,
      whileAlive: (live) => {
        for (const pid of live.pids()) {
          for (const kind of namespaceKinds) {
            expect(namespaceOf(pid, kind), kind).toMatch(/^\w+:\[\d+\]$/);
            expect(namespaceOf(pid, kind), kind).not.toBe(namespaceOf(process.pid, kind));
          }
        }
      },
    });
  });

  test('W3: the program has descriptors 0 to 2, and none of them leads to a folder or into the host’s files', async () => {
    await bench.attempt({
      python: wait,
      whileAlive: (live) => {
        for (const pid of live.programPids()) {
          expect([...descriptorsOf(pid).keys()].sort()).toEqual([0, 1, 2]);
        }
      },
    });
    const trial = await bench.attempt({
      python: `
import json, os, stat
kinds = [oct(stat.S_IFMT(os.fstat(fd).st_mode)) for fd in range(3)]
rewritable = False
try: os.fchmod(0, 0o666)
except OSError: pass
try:
    os.write(os.open('/proc/self/fd/0', os.O_WRONLY), b'x' * 4096); rewritable = True
except OSError: pass
stolen = []
for pid in (1,):
    for fd in range(64):
        try: os.close(os.open(f'/proc/{pid}/fd/{fd}', os.O_RDWR | os.O_NONBLOCK)); stolen.append(os.readlink(f'/proc/{pid}/fd/{fd}'))
        except OSError: pass
print(json.dumps({'kinds': kinds, 'rewritable': rewritable, 'stolen': stolen}))`,
    });
    const said = trial.said(
      z.object({ kinds: z.array(z.string()), rewritable: z.boolean(), stolen: z.array(z.string()) }),
    );
    expect(said.kinds).not.toContain('0o40000');
    expect(said.rewritable).toBe(false);
    expect(said.stolen.filter((target) => !/\/(stdout|stderr)$|^\/dev\/null$|^pipe:/.test(target))).toEqual([]);
  });

  test('W3: what the caller put into the environment stands in no argument list of the host and not in pid 1', async () => {
    const value = randomBytes(16).toString('hex');
    const trial = await bench.attempt({
      env: {
        SECRET_OF_CALLER: value,
        LD_PRELOAD: '/workspace/nothing.so',
        BASH_ENV: '/workspace/evil',
        ENV: '/workspace/evil',
      },
      files: [{ path: 'evil', content: Buffer.from('echo evil ran >&2') }],
      python: `
import json, os, time
print(json.dumps({'mine': os.environ['SECRET_OF_CALLER'], 'init': open('/proc/1/environ').read().split(chr(0)), 'command': open('/proc/1/cmdline').read()}), flush=True)
print('ready', flush=True)
time.sleep(30)`,
      whileAlive: (live) => {
        const lists = allPids().map(cmdlineOf);
        expect(lists.filter((list) => list.includes(value))).toEqual([]);
        const [init] = live.pids();
        expect(readFileSync(`/proc/${init}/environ`, 'utf8')).not.toContain('SECRET_OF_CALLER');
      },
    });
    const shape = z.object({ mine: z.string(), init: z.array(z.string()), command: z.string() });
    const said = shape.parse(JSON.parse(trial.stdout.split('\n')[0] ?? ''));
    expect(said.mine).toBe(value);
    expect(
      said.init.map((entry) => entry.split('=')[0]).filter((name) => !/^(PATH|HOME|LANG|PWD|)$/.test(name ?? '')),
    ).toEqual([]);
    expect(said.command).toMatch(/^\/bin\/sh\0\/runyard\/init\0/);
    expect(trial.stderr).not.toContain('evil ran');
  });
});

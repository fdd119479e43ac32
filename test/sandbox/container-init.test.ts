import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { wallPaths } from '../../src/contracts/sandbox.ts';
import { describeContainer } from './container-bench.ts';
import { type Attempt, tryIn, until } from './harness.ts';
import { allPids, cmdlineOf, descriptorsOf, pidsWithMarker } from './host-view.ts';
import { isRoot } from './open.ts';

/** What keeps a container's program in hand, and what is taken of it. */
describeContainer('pid 1 of a container', ({ sandbox }) => {
  const attempt = (one: Attempt) => tryIn(sandbox(), { deadlineMs: 50_000, ...one });

  describe('W10: pid 1', () => {
    test('W10: is out of reach of the program, though it is of the same user', async () => {
      const trial = await attempt({
        python: `
import ctypes, json, os, signal
def works(act):
    try: act(); return True
    except OSError: return False
reached = [p for p in ('environ', 'mem', 'maps', 'fd/0', 'fd/1', 'fd/2', 'root', 'cwd', 'auxv', 'stack', 'io', 'syscall') if works(lambda: os.close(os.open('/proc/1/' + p, os.O_RDONLY)))]
written = [p for p in ('mem', 'oom_score_adj', 'comm', 'coredump_filter', 'clear_refs', 'fd/0', 'fd/1') if works(lambda: os.close(os.open('/proc/1/' + p, os.O_WRONLY)))]
listed = works(lambda: os.listdir('/proc/1/fd'))
libc = ctypes.CDLL(None, use_errno=True)
traced = libc.ptrace(16, 1, 0, 0) == 0
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGSTOP, signal.SIGKILL, signal.SIGSEGV): os.kill(1, number)
pidfd = works(lambda: libc.syscall(438, os.pidfd_open(1), 1, 0) >= 0 or (_ for _ in ()).throw(OSError()))
print(json.dumps({'reached': reached, 'written': written, 'listed': listed, 'traced': traced, 'pidfd': pidfd}))`,
      });
      expect(trial.said(z.unknown())).toEqual({ reached: [], written: [], listed: false, traced: false, pidfd: false });
      expect(trial.end).toMatchObject({ cause: 'exited', exitCode: 0 });
    });

    test('W10: survives kill -9 -1, and keeps the door that nobody can take', async () => {
      const trial = await attempt({
        door: (server) => void server.on('connection', (socket) => socket.end('still here')),
        python: `
import json, os, signal, socket, time
child = os.fork()
if child == 0: time.sleep(60)
os.kill(-1, signal.SIGKILL)
killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
taken = []
for option in (0, socket.SO_REUSEADDR, socket.SO_REUSEPORT):
    s = socket.socket()
    if option: s.setsockopt(socket.SOL_SOCKET, option, 1)
    try: s.bind(('127.0.0.1', ${wallPaths.doorPort})); s.listen(); taken.append(option)
    except OSError: pass
print(json.dumps([killed, socket.create_connection(('127.0.0.1', ${wallPaths.doorPort})).recv(99).decode(), taken]))`,
      });
      expect(trial.said(z.unknown())).toEqual([true, 'still here', []]);
    });

    test('W6: kills everything at the end, whatever it did to stay', async () => {
      const trial = await attempt({
        python: `
import os, signal, time
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        if os.fork() == 0: os.kill(os.getpid(), signal.SIGSTOP)
        while True: time.sleep(60)
time.sleep(0.2)
print('ready', flush=True)
time.sleep(60)`,
        whileAlive: async (live) => {
          expect(live.pids().length).toBeGreaterThan(20);
          live.kill('timed_out');
          await until(() => live.programPids().length === 0);
        },
      });
      expect(trial.end).toMatchObject({ cause: 'timed_out', exitCode: null });
      expect(pidsWithMarker(trial.marker)).toEqual([]);
    });
  });

  test('W3: what the caller put into environment, stdin and files stands in no argument list of the host', async () => {
    const value = randomBytes(16).toString('hex');
    const trial = await attempt({
      env: { SECRET_OF_CALLER: value },
      stdin: value,
      files: [{ path: 'secret', content: Buffer.from(value) }],
      python: `
import os, sys, time
print(os.environ['SECRET_OF_CALLER'] == sys.stdin.read() == open('secret').read(), flush=True)
try:
  with open('/proc/self/fd/0', 'wb', 0) as mine: mine.write(b'x'); print('rewritten')
except OSError: pass
print('ready', flush=True)
time.sleep(60)`,
      whileAlive: (live) => {
        expect(
          allPids()
            .map(cmdlineOf)
            .filter((list) => list.includes(value)),
        ).toEqual([]);
        // As an ordinary user nobody may look: the program is another’s.
        for (const pid of isRoot ? live.programPids() : []) {
          expect([...descriptorsOf(pid).keys()].sort()).toEqual([0, 1, 2]);
        }
      },
    });
    expect(trial.stdout).toBe('True\nready\n');
  });

  test('W7: what was left is packed from inside, whatever it is', async () => {
    const trial = await attempt({
      collect: { maxFiles: 10, maxBytes: 1000 },
      python: `
import os
os.chdir('/workspace/output')
open('kept', 'w').write('kept'); os.mkfifo('fifo'); os.symlink('/etc/passwd', 'link'); os.symlink('/', 'root')
os.truncate(os.open('sparse', os.O_CREAT | os.O_RDWR), 200_000_000); os.chmod('kept', 0o4755)
os.makedirs('d/' * 20); os.chmod('/workspace', 0)`,
    });
    expect([...trial.files.keys()]).toEqual(['output/kept']);
    expect(trial.skipped).toBe(1);
  });

  test('W6: files without a name and folders without an end count for the workspace', async () => {
    for (const folders of [3000, 5000]) {
      const deep = `
import os, time
for _ in range(${folders}): os.mkdir('d'); os.chdir('d')
for n in range(60): open(f'f{n}', 'wb').write(b'x' * 1_000_000)
time.sleep(60)`;
      const { end } = await attempt({ python: deep, limits: { workspaceBytes: 32 * 1024 ** 2 } });
      expect(end.cause).toBe('disk_limit');
    }
  });

  test('W6: a workspace that is shut against its own user ends nothing else', async () => {
    const { end, stdout } = await attempt({
      python: 'import os, time\nos.chmod("/workspace", 0)\ntime.sleep(0.5)\nprint("still here")',
    });
    expect([end.exitCode, stdout]).toEqual([0, 'still here\n']);
  });
});

import { createServer } from 'node:http';
import type { Server, Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type Sandbox, wallPaths } from '../../src/contracts/sandbox.ts';
import { collectFrom, runIn } from './sandbox-harness.ts';

/** How walls end, keep apart, and what they leave: the same on every technology. `helpers`: processes of ours in each. */
export function sandboxEndsContract(name: string, sandbox: () => Sandbox, { helpers } = { helpers: 1 }): void {
  describe(`${name}: the end`, () => {
    test.for(['timed_out', 'cancelled', 'output_limit', 'stopped'] as const)('by kill is %s', async (reason) => {
      const up = Promise.withResolvers<void>();
      const { end, stdout } = await runIn(sandbox(), {
        bash: 'trap "" TERM INT HUP; (setsid sleep 600 &) ; echo up; sleep 600',
        observer: { output: () => up.resolve() },
        meanwhile: (running) => void up.promise.then(() => running.kill(reason)),
      });
      expect(end).toMatchObject({ cause: reason, exitCode: null, lastStep: 0 });
      expect(end.durationMs).toBeLessThan(30_000);
      expect(stdout).toBe('up\n');
    });

    test('keeps the first of two reasons', async () => {
      const { end } = await runIn(sandbox(), {
        argv: ['sleep', '600'],
        meanwhile: (running) => {
          running.kill('cancelled');
          running.kill('timed_out');
        },
      });
      expect(end.cause).toBe('cancelled');
    });

    test('comes with the program, whatever it left running', async () => {
      const { end, stdout } = await runIn(sandbox(), { bash: '(setsid sleep 600 & ) ; sleep 600 & echo done' });
      expect(end).toMatchObject({ cause: 'exited', exitCode: 0 });
      expect(end.durationMs).toBeLessThan(30_000);
      expect(stdout).toBe('done\n');
    });

    test('of a wall that never got a program is its removal, twice if need be', async () => {
      const wall = await sandbox().enter({ door: false, signal: AbortSignal.timeout(20_000) });
      await Promise.all([wall.remove(), wall.remove()]);
      await wall.remove();
    });

    test('of a call that was given up is its reason', async () => {
      const reason = new Error('nobody waits');
      await expect(sandbox().enter({ door: false, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    });
  });

  describe(`${name}: two walls at once`, () => {
    test('share no file, no process, no network', async () => {
      const listen = `
import socket, os, time
open('/tmp/mark', 'w').write('x'); open('mark', 'w').write('x'); open('/dev/shm/mark', 'w').write('x')
s = socket.socket(); s.bind(('127.0.0.1', 7001)); s.listen()
a = socket.socket(socket.AF_UNIX); a.bind('\\0mark'); a.listen()
print('up', flush=True); time.sleep(600)`;
      const look = `
import socket, os
def reach(f):
  try: f(); return True
  except OSError: return False
print([os.path.exists(p) for p in ('/tmp/mark', 'mark', '/dev/shm/mark')])
print([reach(lambda: socket.create_connection(('127.0.0.1', 7001), 1)), reach(lambda: socket.socket(socket.AF_UNIX).connect('\\0mark'))])
print(len([p for p in os.listdir('/proc') if p.isdigit()]))`;
      const up = Promise.withResolvers<void>();
      const stop = Promise.withResolvers<void>();
      const first = runIn(sandbox(), {
        python: listen,
        observer: { output: () => up.resolve() },
        meanwhile: (running) => void stop.promise.then(() => running.kill('stopped')),
      });
      await Promise.race([up.promise, first]);
      const { stdout } = await runIn(sandbox(), { python: look });
      stop.resolve();
      await first;
      expect(stdout).toBe(`[False, False, False]\n[False, False]\n${helpers + 1}\n`);
    });
  });

  describe(`${name}: the door`, () => {
    const request = `
import urllib.request, socket
print(urllib.request.urlopen('http://127.0.0.1:${wallPaths.doorPort}/hello').read().decode())
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try: s.bind(('127.0.0.1', ${wallPaths.doorPort})); s.listen()
except OSError as e: print(e.errno)`;

    test('hands what connects inside to the observer, and cannot be imitated', async () => {
      const told: string[] = [];
      const http = createServer((asked, answer) => answer.end(`you asked for ${asked.url}`));
      const { stdout, stderr, end } = await runIn(sandbox(), {
        door: true,
        python: request,
        observer: {
          door: (server) => {
            told.push('door');
            server.on('connection', (connection) => http.emit('connection', connection));
          },
          stepStarted: () => void told.push('step'),
        },
      });
      expect({ stdout, stderr }).toEqual({ stdout: 'you asked for /hello\n98\n', stderr: '' });
      expect(end).toMatchObject({ cause: 'exited', exitCode: 0 });
      expect(told).toEqual(['door', 'step']);
    });

    test('leaves nothing open after the wall, whoever still holds a connection', async () => {
      const servers: Server[] = [];
      const held = Promise.withResolvers<Socket>();
      await runIn(sandbox(), {
        door: true,
        python: `import socket, time\ns = socket.create_connection(('127.0.0.1', ${wallPaths.doorPort}))\ntime.sleep(600)`,
        observer: {
          door: (server) => {
            servers.push(server);
            server.once('connection', held.resolve);
          },
        },
        meanwhile: (running) => void held.promise.then(() => running.kill('stopped')),
      });
      const connection = await held.promise;
      expect([servers[0]?.listening, connection.destroyed]).toEqual([false, true]);
    });

    test('is not there where none was asked for', async () => {
      const { stdout } = await runIn(sandbox(), {
        python: `import socket\ntry: socket.create_connection(('127.0.0.1', ${wallPaths.doorPort}))\nexcept OSError as e: print(e.errno)`,
      });
      expect(stdout).toBe('111\n');
    });
  });

  describe(`${name}: what is collected`, () => {
    test('is every regular file below output, byte for byte, with names that cannot be mistaken', async () => {
      const python = `
import os
os.chdir('output')
def put(name, text):
  with open(name, 'w') as f: f.write(text)
put('plain.txt', 'hello'); put('-rf', 'dash'); put('new\\nline', 'nl'); put('tab\\t', 't'); put('ü💥', 'u')
put(b'bad\\xff', 'latin'); put('back\\\\xff', 'literal'); put('back\\\\slash', 'plain'); put('y' * 255, 'long'); put('empty', '')
os.makedirs('a/' * 20); put('a/' * 20 + 'deep', 'deep')
os.symlink('/etc/passwd', 'link'); os.symlink('/', 'folder-link'); os.mkfifo('fifo'); os.link('plain.txt', 'hard')
put('secret', 'x'); os.chmod('secret', 0)
put('big', 'z' * 3000000)
put('../beside', 'not output')`;
      await runIn(sandbox(), {
        python,
        afterEnd: async (wall) => {
          const { files, skipped, count } = await collectFrom(wall);
          expect(Object.fromEntries(files)).toEqual({
            'output/plain.txt': 'hello',
            'output/-rf': 'dash',
            'output/new\\x0aline': 'nl',
            'output/tab\\x09': 't',
            'output/ü💥': 'u',
            'output/bad\\xff': 'latin',
            'output/back\\x5cxff': 'literal',
            'output/back\\slash': 'plain',
            [`output/${'y'.repeat(255)}`]: 'long',
            'output/empty': '',
            [`output/${'a/'.repeat(20)}deep`]: 'deep',
            'output/hard': 'hello',
            'output/big': 'z'.repeat(3_000_000),
          });
          expect({ skipped, count }).toEqual({ skipped: 0, count: 13 });
        },
      });
    });

    test('is what was selected among all files of the workspace', async () => {
      await runIn(sandbox(), {
        bash: 'mkdir -p src/x; echo a > src/x/a.c; echo b > b.c; echo o > output/o; ln -s b.c l.c; touch -- -T',
        afterEnd: async (wall) => {
          const offered: string[] = [];
          const { files } = await collectFrom(wall, {
            select: async (paths) => {
              offered.push(...paths);
              return ['src/x/a.c', 'output/o', '-T', 'not/there'];
            },
          });
          expect(offered.toSorted()).toEqual(['-T', 'b.c', 'output/o', 'src/x/a.c']);
          expect(Object.fromEntries(files)).toEqual({ 'src/x/a.c': 'a\n', 'output/o': 'o\n', '-T': '' });
        },
      });
    });

    test('is bounded in number and in bytes, and says how many were left', async () => {
      await runIn(sandbox(), {
        bash: 'cd output; for n in 1 2 3 4 5; do head -c 1000 /dev/zero > f$n; done; truncate -s 200M sparse',
        afterEnd: async (wall) => {
          expect((await collectFrom(wall, { maxFiles: 2 })).skipped).toBe(4);
          const { files, skipped } = await collectFrom(wall, { maxBytes: 3500 });
          expect([[...files.keys()], skipped]).toEqual([['output/f1', 'output/f2', 'output/f3'], 3]);
        },
      });
    });

    test.for([
      ['empty', 'true'],
      ['gone', 'rmdir output'],
      ['a link out', 'rmdir output; ln -s /etc output'],
      ['a file', 'rmdir output; echo x > output'],
      ['shut', 'touch output/x; chmod 000 output'],
    ])('is nothing where output is %s', async ([, bash]) => {
      await runIn(sandbox(), {
        bash: bash!,
        afterEnd: async (wall) => expect(await collectFrom(wall)).toMatchObject({ count: 0, skipped: 0 }),
      });
    });

    test('ends with the error of whoever takes it, or of the signal', async () => {
      await runIn(sandbox(), {
        bash: 'echo x > output/x',
        afterEnd: async (wall) => {
          const full = new Error('the store is full');
          await expect(collectFrom(wall, { onFile: () => Promise.reject(full) })).rejects.toBe(full);
          const reason = new Error('enough');
          await expect(
            collectFrom(wall, { onFile: () => new Promise(() => undefined), signal: abortLater(reason) }),
          ).rejects.toBe(reason);
          expect((await collectFrom(wall)).files.get('output/x')).toBe('x\n');
        },
      });
    });
  });
}

function abortLater(reason: Error): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 200);
  return controller.signal;
}

import { describe, expect, test } from 'vitest';
import { type Sandbox, wallPaths } from '../../src/contracts/sandbox.ts';
import { runIn } from './sandbox-harness.ts';

export interface SuiteTraits {
  /** Whether the wall says who runs inside, and on a machine of which name; else its technology does. */
  readonly namesUser: boolean;
}

/** What a program meets inside, and what is told of it outside: the same on every technology. */
export function sandboxContract(name: string, sandbox: () => Sandbox, traits: SuiteTraits = { namesUser: true }): void {
  describe(name, () => {
    describe('a program', () => {
      test.for([0, 1, 7, 125, 255])('that exits with %i is told to have done so', async (code) => {
        const { end } = await runIn(sandbox(), { python: `import sys; sys.exit(${code})` });
        expect(end).toMatchObject({ cause: 'exited', exitCode: code, lastStep: 0 });
        expect(end.durationMs).toBeGreaterThan(0);
      });

      test('that a signal ends exits with 128 and the number, and prints nothing of ours', async () => {
        const outcome = await runIn(sandbox(), { bash: 'kill -SEGV $$' });
        expect(outcome).toMatchObject({ end: { cause: 'exited', exitCode: 139 }, stdout: '', stderr: '' });
      });

      test('that is not there exits with 127 and a word on stderr', async () => {
        const { end, stderr } = await runIn(sandbox(), { argv: ['no-such-program'] });
        expect(end).toMatchObject({ cause: 'exited', exitCode: 127 });
        expect(stderr).toContain('no-such-program');
      });

      test('gets its arguments whole', async () => {
        const args = ['', ' ', "it's", '"$HOME"', 'two\nlines', '`id`', '$(id)', '\\', 'ü💥', '-n', '*', '!'];
        const { stdout } = await runIn(sandbox(), {
          argv: ['python3', '-c', 'import sys, json; print(json.dumps(sys.argv[1:]))', ...args],
        });
        expect(JSON.parse(stdout)).toEqual(args);
      });

      test('gets the asked environment over the defaults, and nothing else', async () => {
        const env = {
          PATH: '/bin',
          HOME: '/workspace',
          QUOTED: "a'b\n$c",
          IFS: 'x',
          'odd.name': '1',
          OPTIND: 'q',
          EMPTY: '',
        };
        const print = 'import os, json; print(json.dumps(dict(os.environ)))';
        const { stdout } = await runIn(sandbox(), { python: print, env });
        expect(JSON.parse(stdout)).toEqual({ LANG: 'C.UTF-8', PWD: wallPaths.workspace, ...env });
        const { stdout: bare } = await runIn(sandbox(), { python: print });
        expect(JSON.parse(bare)).toEqual({
          PATH: expect.stringContaining('/usr/bin'),
          HOME: wallPaths.home,
          LANG: 'C.UTF-8',
          PWD: wallPaths.workspace,
        });
      });

      test('reads its stdin to the end, also through /dev/stdin', async () => {
        const stdin = 'lines\n'.repeat(100_000);
        const { stdout } = await runIn(sandbox(), { bash: 'wc -c < /dev/stdin; wc -c', stdin });
        expect(stdout).toBe('600000\n600000\n');
        const { stdout: empty } = await runIn(sandbox(), { python: 'import sys; print(len(sys.stdin.read()))' });
        expect(empty).toBe('0\n');
      });

      test('writes to /dev/stdout and /dev/stderr as to its own', async () => {
        const { stdout, stderr } = await runIn(sandbox(), { bash: 'echo out > /dev/stdout; echo err > /dev/stderr' });
        expect({ stdout, stderr }).toEqual({ stdout: 'out\n', stderr: 'err\n' });
      });

      test('finds its files in its working directory, an empty output, and a home it can write', async () => {
        const { stdout, stderr } = await runIn(sandbox(), {
          files: [
            { path: 'deep/er/file', content: Buffer.from('text') },
            { path: 'run.sh', content: Buffer.from('#!/bin/bash\necho it ran'), mode: 0o755 },
          ],
          bash: 'pwd; cat deep/er/file; echo; ./run.sh; ls output; echo x >> deep/er/file; touch ~/x deep/y output/z; stat -c %a run.sh',
        });
        expect(stderr).toBe('');
        expect(stdout).toBe('/workspace\ntext\nit ran\n755\n');
      });

      test('has descriptors 0 to 2 and no other', async () => {
        const { stdout } = await runIn(sandbox(), {
          python: 'import os\nfor n in range(3, 1024):\n  try: os.fstat(n); print(n)\n  except OSError: pass',
        });
        expect(stdout).toBe('');
      });

      test('runs under our own node', async () => {
        const { stdout } = await runIn(sandbox(), { argv: [wallPaths.node, '-p', 'process.version'] });
        expect(stdout.trim()).toBe(process.version);
      });

      test('cannot reach pid 1 through LD_PRELOAD', async () => {
        const { stdout } = await runIn(sandbox(), {
          env: { LD_PRELOAD: '/usr/lib/x86_64-linux-gnu/libc.so.6', NODE_OPTIONS: '--x' },
          bash: "tr '\\0' '\\n' < /proc/1/environ; echo --; env",
        });
        const [ofInit, own] = stdout.split('--\n');
        expect(ofInit).not.toMatch(/LD_PRELOAD|NODE_OPTIONS/);
        expect(own).toContain('LD_PRELOAD=');
      });

      test('sees only its own processes', async () => {
        const { stdout } = await runIn(sandbox(), { bash: 'echo /proc/[0-9]*' });
        expect(stdout.trim().split(' ').length).toBeLessThan(5);
      });

      test('has no capability, and cannot gain one', async () => {
        const { stdout } = await runIn(sandbox(), {
          bash: "grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs):' /proc/self/status",
        });
        const none = '0'.repeat(16);
        expect(stdout.split(/\s+/).filter(Boolean)).toEqual([
          ...['CapPrm:', none, 'CapEff:', none, 'CapBnd:', none, 'CapAmb:', none, 'NoNewPrivs:', '1'],
        ]);
      });

      test.skipIf(!traits.namesUser)(
        'runs as an ordinary user called runyard (not where the launcher of Cloud Run decides who that is)',
        async () => {
          const { stdout } = await runIn(sandbox(), { bash: 'id -u; id -un; hostname' });
          expect(stdout.trim().split('\n')).toEqual(['1000', 'runyard', 'runyard']);
        },
      );
    });

    describe('output', () => {
      test('of 10 MiB comes in order and complete, also where the observer is slow', async () => {
        const lines = 1024 * 1024;
        const { end, stdout } = await runIn(sandbox(), {
          python: `import sys\nsys.stdout.write(''.join('%09d\\n' % n for n in range(${lines})))`,
        });
        expect(end).toMatchObject({ cause: 'exited', exitCode: 0 });
        expect(stdout.length).toBe(10 * lines);
        expect(stdout === Array.from({ length: lines }, (_, n) => `${String(n).padStart(9, '0')}\n`).join('')).toBe(
          true,
        );
      });

      test('is held back while the observer has not answered', async () => {
        const seen = { bytes: 0, atOnce: 0, open: 0 };
        const { end } = await runIn(sandbox(), {
          python: "import sys\nfor n in range(40): sys.stdout.write('x' * 65536)",
          observer: {
            output: async (_, chunk) => {
              seen.open += 1;
              seen.atOnce = Math.max(seen.atOnce, seen.open);
              await new Promise((resolve) => setTimeout(resolve, 3));
              seen.bytes += chunk.length;
              seen.open -= 1;
            },
          },
        });
        expect(end.exitCode).toBe(0);
        expect(seen).toEqual({ bytes: 40 * 65536, atOnce: 1, open: 0 });
      });
    });

    describe('steps', () => {
      const sh = (name: string, text: string) => ({ name, argv: ['/bin/bash', '-c', text] });

      test('run one after another in one wall, each with its own output', async () => {
        const told: string[] = [];
        const { end, chunks } = await runIn(sandbox(), {
          stdin: 'for the last',
          steps: [
            sh('one', 'head -c 200000 /dev/zero | tr "\\0" a; cat; echo 1 > kept; echo e1 >&2'),
            sh('two', 'echo 2 >> kept; echo b'),
            sh('three', 'cat kept; cat'),
          ],
          observer: {
            stepStarted: (step) => void told.push(`start ${step}`),
            stepEnded: (step, code) => void told.push(`end ${step} ${code}`),
          },
        });
        expect(end).toMatchObject({ cause: 'exited', exitCode: 0, lastStep: 2 });
        expect(told).toEqual(['start 0', 'end 0 0', 'start 1', 'end 1 0', 'start 2', 'end 2 0']);
        const of = (step: number) =>
          chunks
            .filter((chunk) => chunk.step === step)
            .map(({ text }) => text)
            .join('');
        expect(of(0).replace('e1\n', '')).toBe('a'.repeat(200_000));
        expect([of(1), of(2)]).toEqual(['b\n', '1\n2\nfor the last']);
      });

      test('any one of them may be the one that reads', async () => {
        const { stdout } = await runIn(sandbox(), {
          stdin: 'for the second',
          stdinStep: 1,
          steps: [sh('one', 'cat; echo 1'), sh('two', 'cat; echo " 2"'), sh('three', 'cat; echo 3')],
        });
        expect(stdout).toBe('1\nfor the second 2\n3\n');
      });

      test('end with the first that fails', async () => {
        const { end, stdout } = await runIn(sandbox(), {
          steps: [sh('one', 'echo 1'), sh('two', 'exit 3'), sh('three', 'echo 3')],
        });
        expect(end).toMatchObject({ cause: 'exited', exitCode: 3, lastStep: 1 });
        expect(stdout).toBe('1\n');
      });
    });
  });
}

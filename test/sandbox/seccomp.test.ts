import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { arch } from 'node:process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { seccompProgram } from '../../src/sandbox/shared/seccomp/program.ts';
import { type Answer, argumentRules, rows } from '../../src/sandbox/shared/seccomp/table.ts';
import { describeWall, useSandbox } from './bench.ts';
import { statusOf } from './host-view.ts';
import { calls } from './programs.ts';

const here = arch === 'arm64' ? 'arm64' : 'x64';
/** Errnos that no call of Linux answers with, so that an answer can be the filter's only. */
const filtersOwn: Readonly<Record<Answer, number>> = { EPERM: 77, ENOSYS: 78, EAFNOSUPPORT: 79, EPROTONOSUPPORT: 80 };
const real: Readonly<Record<Answer, number>> = {
  EPERM: constants.errno.EPERM,
  ENOSYS: constants.errno.ENOSYS,
  EAFNOSUPPORT: constants.errno.EAFNOSUPPORT,
  EPROTONOSUPPORT: constants.errno.EPROTONOSUPPORT,
};

interface Call {
  readonly name: string;
  readonly words: readonly number[];
  readonly answer: Answer;
}

const whole: Call[] = rows.flatMap(({ answer, calls }) =>
  Object.entries(calls).flatMap(([name, { [here]: number }]) =>
    number === undefined ? [] : [{ name, words: [number, 0, 0, 0, 0, 0, 0], answer }],
  ),
);

function byArguments(call: string, answer: Answer, ...cases: number[][]): Call[] {
  const number = argumentRules.find((rule) => rule.call === call)?.numbers[here] ?? -1;
  return cases.map((args) => ({ name: `${call}(${args.join(', ')})`, words: [number, ...args], answer }));
}

const high = 2 ** 32;
const partly: Call[] = [
  ...byArguments(
    'clone',
    'EPERM',
    ...[0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000].map((flag) => [flag + 17, 0]),
  ),
  ...byArguments('ioctl', 'EPERM', ...[0x5412, 0x541c, 0x5423, 0x5412 + high].map((request) => [0, request, 0])),
  ...byArguments('personality', 'EPERM', [0x40000], [0x100000], [0x400000], [0x40000 + high]),
  ...byArguments('socketpair', 'EPERM', [2, 1, 0, 0], [40, 1, 0, 0], [16, 3, 0, 0]),
  ...byArguments(
    'socket',
    'EAFNOSUPPORT',
    ...[0, 3, 4, 5, 9, 15, 17, 21, 29, 30, 31, 38, 39, 40, 42, 44, 45].map((family) => [family, 2, 0]),
  ),
  ...byArguments('socket', 'EAFNOSUPPORT', ...[1, 4, 6, 9, 12, 15, 16, 21].map((protocol) => [16, 3, protocol]), [
    40 + 7 * high,
    1,
    0,
  ]),
  ...byArguments(
    'socket',
    'EPROTONOSUPPORT',
    ...[2, 10].flatMap((family) => [
      [family, 3, 1],
      [family, 3, 255],
      [family, 1, 132],
      [family, 1, 262],
      [family, 6, 33],
      [family, 2, 136],
      [family, 10, 0],
    ]),
  ),
];
const newer: Call[] = [470, 471, 500, 1000].map((number) => ({
  name: `call ${number}`,
  words: [number],
  answer: 'ENOSYS',
}));
const every = [...whole, ...partly, ...newer];
const answers = z.array(z.union([z.int(), z.string()]));

describeWall('the filter of system calls', () => {
  const bench = useSandbox();
  const seen: { inWall?: z.infer<typeof answers>; filtersOwn?: z.infer<typeof answers> } = {};

  beforeAll(async () => {
    const program = calls(every.map(({ words }) => words));
    seen.inWall = (await bench.attempt(program)).said(answers);
    seen.filtersOwn = answers.parse(JSON.parse(await underTestFilter(program.argv)));
  });

  describe.each(every.map((call, index) => ({ ...call, index })))('W4: $name', ({ answer, index }) => {
    test(`is refused in the wall with ${answer}`, () => expect(seen.inWall?.[index]).toBe(real[answer]));
    test('is refused by the filter and by nothing else', () =>
      expect(seen.filtersOwn?.[index]).toBe(filtersOwn[answer]));
  });

  test('W4: what programs need is let through', async () => {
    const trial = await bench.attempt({
      python: `
import asyncio, json, multiprocessing, os, socket, sqlite3, ssl, subprocess, threading, ctypes
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
pair = socket.socketpair(); pair[0].send(b'x')
tcp = socket.create_server(('127.0.0.1', 0)); socket.create_connection(tcp.getsockname())
done = [asyncio.run(asyncio.sleep(0, 'asyncio')), sqlite3.connect('/workspace/db').execute('select 1').fetchone()[0], subprocess.run(['/bin/ls'], capture_output=True).returncode,
  multiprocessing.Pool(2).map(abs, [-3]), os.pidfd_open(os.getpid()) > 0, ctypes.CDLL(None).personality(0xffffffff), socket.socket(16, 3, 0).fileno() > 0, pair[1].recv(1).decode()]
print(json.dumps(done))`,
    });
    expect(trial.said(z.array(z.unknown()))).toEqual(['asyncio', 1, 0, [3], true, 0, true, 'x']);
  });

  const machine = (code: string) => `
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex('${code}'))
print('started', flush=True)
ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
print('carried out')`;
  const foreign = {
    'the i386 getpid by int 0x80': 'b814000000cd80c3',
    'the i386 keyctl by int 0x80': 'b820010000cd80c3',
    'the x32 getpid': 'b8270000400f05c3',
    'the x32 keyctl': 'b8fa0000400f05c3',
  };
  test.skipIf(here !== 'x64').each(Object.entries(foreign))(
    'W4: %s ends the program by SIGSYS (skipped beside x86-64)',
    async (_, code) => {
      const trial = await bench.attempt({ python: machine(code) });
      expect(trial.stdout).toBe('started\n');
      expect(trial.end).toMatchObject({ cause: 'exited', exitCode: 128 + constants.signals.SIGSYS });
    },
  );

  test('W4: input cannot be typed into a terminal, and there is none of the caller’s', async () => {
    await bench.attempt({
      python: `
import errno, fcntl, os, pty, time
main, other = pty.openpty()
refused = []
for request in (0x5412, 0x5412 | 1 << 32):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ioctl(other, ctypes.c_ulong(request), b'x') == -1: refused.append(ctypes.get_errno())
assert refused == [errno.EPERM] * 2, refused
for path in ('/dev/tty', '/dev/console', '/dev/tty0', '/dev/tty1'):
    try: os.open(path, os.O_RDWR | os.O_NOCTTY); raise SystemExit(path)
    except OSError: pass
print('ready', flush=True)
time.sleep(60)`,
      whileAlive: (live) => {
        for (const pid of live.pids()) {
          const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
            .replace(/^.*\) /, '')
            .split(' ');
          expect(fields[4], 'the controlling terminal').toBe('0');
          expect(Number(statusOf(pid).NSsid?.split('\t')[0])).not.toBe(
            Number(statusOf(process.pid).NSsid?.split('\t')[0]),
          );
        }
      },
    });
  });
});

const folder = mkdtempSync(join(tmpdir(), 'runyard-battery-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The same program under the same table with errnos of the filter's own, in a bare bubblewrap. */
async function underTestFilter(argv: readonly string[]): Promise<string> {
  const filter = join(folder, 'filter');
  writeFileSync(filter, seccompProgram(here, { errnoOf: (answer) => filtersOwn[answer] }));
  const system = ['/bin', '/lib', '/lib64'].flatMap((path) => ['--ro-bind-try', path, path]);
  const options = [
    '--unshare-user',
    '--disable-userns',
    '--unshare-pid',
    '--unshare-net',
    '--ro-bind',
    '/usr',
    '/usr',
    ...system,
  ];
  const program = [
    ...argv.slice(0, 1),
    '-c',
    readFileSync(new URL('programs/calls.py', import.meta.url), 'utf8'),
    ...argv.slice(2),
  ];
  const bwrap = spawn('bwrap', [...options, '--proc', '/proc', '--seccomp', '3', '--', ...program], {
    stdio: ['ignore', 'pipe', 'inherit', openSync(filter, 'r')],
  });
  if (bwrap.stdout === null) throw new Error('bwrap has no output');
  return await text(bwrap.stdout);
}

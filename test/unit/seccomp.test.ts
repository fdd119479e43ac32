import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { seccompProgram } from '../../src/sandbox/shared/seccomp/program.ts';
import {
  type Answer,
  type Arch,
  argumentRules,
  type CallNumbers,
  rows,
} from '../../src/sandbox/shared/seccomp/table.ts';

const auditArch = { x64: 0xc000003e, arm64: 0xc00000b7, i386: 0x40000003, arm: 0x40000028, riscv: 0xc00000f3 };
const archs = ['x64', 'arm64'] as const;
const testErrno: Record<Answer, number> = { EPERM: 77, ENOSYS: 78, EAFNOSUPPORT: 79, EPROTONOSUPPORT: 80 };

type Verdict = 'allow' | 'kill' | number;

/** What the kernel would do with one call: a machine of one register, which is all that the program uses. */
function judge(program: Buffer, call: { arch: number; nr: number; args?: readonly bigint[] }): Verdict {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call.nr >>> 0, 0);
  data.writeUInt32LE(call.arch, 4);
  for (const [index, value] of (call.args ?? []).entries()) {
    data.writeBigUInt64LE(BigInt.asUintN(64, value), 16 + 8 * index);
  }
  let register = 0;
  for (let at = 0; at < program.length; at += 8) {
    const [code, k] = [program.readUInt16LE(at), program.readUInt32LE(at + 4)];
    const skip = (holds: boolean) => 8 * program.readUInt8(at + (holds ? 2 : 3));
    if (code === 0x20) register = data.readUInt32LE(k);
    else if (code === 0x54) register = (register & k) >>> 0;
    else if (code === 0x15) at += skip(register === k);
    else if (code === 0x25) at += skip(register > k);
    else if (code === 0x35) at += skip(register >= k);
    else if (code === 0x06) return verdictOf(k);
    else throw new Error(`an instruction that the filter never uses: 0x${code.toString(16)}`);
  }
  throw new Error('the program runs past its end, which the kernel refuses');
}

function verdictOf(k: number): Verdict {
  if (k === 0x7fff0000) return 'allow';
  if (k === 0x80000000) return 'kill';
  if (k >>> 16 === 5) return k & 0xffff;
  throw new Error(`an answer that the filter never gives: 0x${k.toString(16)}`);
}

function judgeIn(arch: Arch, nr: number, args: readonly bigint[] = []): Verdict {
  const program = seccompProgram(arch, { errnoOf: (answer) => testErrno[answer] });
  return judge(program, { arch: auditArch[arch], nr, args });
}

function numbersOf(call: string): CallNumbers {
  const numbers = argumentRules.find((rule) => rule.call === call)?.numbers;
  if (numbers === undefined) throw new Error(`no rule for ${call}`);
  return numbers;
}

describe.each(archs)('W4: the filter of %s', (arch) => {
  const program = seccompProgram(arch);

  test('kills a call of every other architecture, whatever it is', () => {
    for (const [name, value] of Object.entries(auditArch)) {
      if (name === arch) continue;
      for (let nr = 0; nr <= 600; nr += 1) expect(judge(program, { arch: value, nr })).toBe('kill');
    }
  });

  test('refuses exactly the calls of the table, each with its own answer', () => {
    const refused = new Map(rows.flatMap((row) => Object.values(row.calls).map((n) => [n[arch], row.answer] as const)));
    for (let nr = 0; nr <= 469; nr += 1) {
      if (argumentRules.some((rule) => rule.numbers[arch] === nr)) continue;
      const answer = refused.get(nr);
      expect(judgeIn(arch, nr), `call ${nr}`).toBe(answer === undefined ? 'allow' : testErrno[answer]);
    }
  });

  test('answers ENOSYS to every call that is newer than the table', () => {
    for (let nr = 470; nr <= 5000; nr += 1) expect(judge(program, { arch: auditArch[arch], nr })).toBe(38);
  });

  test('uses the real errnos where none are given', () => {
    const answers = (call: string) => {
      const row = rows.find((one) => call in one.calls);
      return judge(program, { arch: auditArch[arch], nr: row?.calls[call]?.[arch] ?? -1 });
    };
    expect([answers('keyctl'), answers('clone3'), answers('io_uring_setup')]).toEqual([1, 38, 38]);
    const socket = (args: readonly bigint[]) =>
      judge(program, { arch: auditArch[arch], nr: numbersOf('socket')[arch] ?? -1, args });
    expect([socket([40n, 1n, 0n]), socket([2n, 3n, 1n])]).toEqual([97, 93]);
  });

  test.each<[call: string, args: readonly bigint[], Answer | 'allow']>([
    ['clone', [0x01200011n], 'allow'],
    ['clone', [0x003d0f00n], 'allow'],
    ['clone', [0x00020011n], 'EPERM'],
    ['clone', [0x02000011n], 'EPERM'],
    ['clone', [0x04000011n], 'EPERM'],
    ['clone', [0x08000011n], 'EPERM'],
    ['clone', [0x10000011n], 'EPERM'],
    ['clone', [0x20000011n], 'EPERM'],
    ['clone', [0x40000011n], 'EPERM'],
    ['clone', [0x10000011n | (1n << 32n)], 'EPERM'],
    ['ioctl', [0n, 0x5401n], 'allow'],
    ['ioctl', [0n, 0x5413n], 'allow'],
    ['ioctl', [0x5412n, 0n], 'allow'],
    ['ioctl', [0n, 0x5412n], 'EPERM'],
    ['ioctl', [0n, 0x5412n | (1n << 32n)], 'EPERM'],
    ['ioctl', [0n, 0x541cn], 'EPERM'],
    ['ioctl', [0n, 0x5423n], 'EPERM'],
    ['personality', [0n], 'allow'],
    ['personality', [8n], 'allow'],
    ['personality', [0x20000n], 'allow'],
    ['personality', [0x20008n], 'allow'],
    ['personality', [0xffffffffn], 'allow'],
    ['personality', [-1n], 'allow'],
    ['personality', [0x0040000n], 'EPERM'],
    ['personality', [0x0100000n], 'EPERM'],
    ['personality', [0x0400000n], 'EPERM'],
    ['socketpair', [1n, 1n, 0n], 'allow'],
    ['socketpair', [2n, 1n, 0n], 'EPERM'],
    ['socketpair', [40n, 1n, 0n], 'EPERM'],
    ['socket', [1n, 1n, 0n], 'allow'],
    ['socket', [1n, 0x80801n, 0n], 'allow'],
    ['socket', [1n, 5n, 0n], 'allow'],
    ['socket', [16n, 3n, 0n], 'allow'],
    ['socket', [16n, 0x80003n, 0n], 'allow'],
    ['socket', [16n, 3n, 9n], 'EAFNOSUPPORT'],
    ['socket', [16n, 3n, 12n], 'EAFNOSUPPORT'],
    ['socket', [16n, 3n, 16n], 'EAFNOSUPPORT'],
    ...[0n, 3n, 4n, 9n, 15n, 17n, 29n, 31n, 38n, 40n, 44n, 45n, 46n, 0xffffffffn].map(
      (family): [string, bigint[], Answer] => ['socket', [family, 1n, 0n], 'EAFNOSUPPORT'],
    ),
    ['socket', [40n | (7n << 32n), 1n, 0n], 'EAFNOSUPPORT'],
    ...[2n, 10n].flatMap((family): [string, bigint[], Answer | 'allow'][] => [
      ['socket', [family, 1n, 0n], 'allow'],
      ['socket', [family, 0x80801n, 6n], 'allow'],
      ['socket', [family, 2n, 17n], 'allow'],
      ['socket', [family, 2n, 1n], 'allow'],
      ['socket', [family, 2n, 58n], 'allow'],
      ['socket', [family, 3n, 0n], 'EPROTONOSUPPORT'],
      ['socket', [family, 3n, 255n], 'EPROTONOSUPPORT'],
      ['socket', [family, 5n, 132n], 'EPROTONOSUPPORT'],
      ['socket', [family, 1n, 132n], 'EPROTONOSUPPORT'],
      ['socket', [family, 1n, 262n], 'EPROTONOSUPPORT'],
      ['socket', [family, 6n, 33n], 'EPROTONOSUPPORT'],
      ['socket', [family, 10n, 0n], 'EPROTONOSUPPORT'],
      ['socket', [family, 2n, 136n], 'EPROTONOSUPPORT'],
      ['socket', [family, 2n | (1n << 40n), 136n | (1n << 32n)], 'EPROTONOSUPPORT'],
    ]),
  ])('%s %s: %s', (call, args, answer) => {
    const nr = numbersOf(call)[arch] ?? -1;
    expect(judgeIn(arch, nr, args)).toBe(answer === 'allow' ? 'allow' : testErrno[answer]);
  });
});

test('W4: x32 calls are killed under x86-64, where they share its name, and are unknown calls elsewhere', () => {
  for (const nr of [0x40000000, 0x40000001, 0x40000209, 0x7fffffff, 0xffffffff]) {
    expect(judgeIn('x64', nr)).toBe('kill');
    expect(judgeIn('arm64', nr)).toBe(testErrno.ENOSYS);
  }
  for (const nr of [512, 521, 547, 0x3fffffff]) expect(judgeIn('x64', nr)).toBe(testErrno.ENOSYS);
});

const headers = { x64: '/usr/include/x86_64-linux-gnu/asm/unistd_64.h', arm64: '/usr/include/asm-generic/unistd.h' };

for (const arch of archs) {
  const missing = !existsSync(headers[arch]);
  const why = missing ? ' (skipped: linux-libc-dev is not installed)' : '';
  test.skipIf(missing)(`the numbers of ${arch} are those of the kernel’s own header${why}`, () => {
    const header = new Map(
      readFileSync(headers[arch], 'utf8')
        .split('\n')
        .map((line) => /^#define __NR(?:3264)?_(\w+)\s+(\d+)$/.exec(line))
        .flatMap((match) => (match === null ? [] : [[match[1], Number(match[2])] as const])),
    );
    const table = [
      ...rows.flatMap((row) => Object.entries(row.calls)),
      ...argumentRules.map((r) => [r.call, r.numbers] as const),
    ];
    const compared = table.filter(([call, numbers]) => numbers[arch] !== undefined && header.has(call));
    expect(compared.length).toBeGreaterThan(55);
    for (const [call, numbers] of compared) expect(numbers[arch], call).toBe(header.get(call));
    const newest = Math.max(...header.values());
    const unknown = table.filter(([call, n]) => (n[arch] ?? 0) <= newest && n[arch] !== undefined && !header.has(call));
    expect(unknown.map(([call]) => call)).toEqual([]);
  });
}

test('W4: every call that the threat names stands in the table, on both architectures', () => {
  const named =
    'add_key request_key keyctl io_uring_setup io_uring_enter io_uring_register ptrace process_vm_readv ' +
    'process_vm_writev pidfd_getfd unshare setns clone3 mount umount2 pivot_root open_tree move_mount fsopen fsconfig ' +
    'fsmount fspick mount_setattr bpf perf_event_open userfaultfd kexec_load kexec_file_load init_module ' +
    'finit_module delete_module quotactl quotactl_fd swapon swapoff reboot';
  const calls = Object.fromEntries(rows.flatMap((row) => Object.entries(row.calls)));
  for (const call of named.split(' ')) {
    expect(calls[call], call).toEqual({ x64: expect.any(Number), arm64: expect.any(Number) });
  }
});

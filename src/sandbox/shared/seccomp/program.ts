import {
  type Answer,
  type Arch,
  type ArgumentRule,
  argumentRules,
  auditArch,
  type Condition,
  newestKnownCall,
  rows,
  x32Bit,
} from './table.ts';

export interface SeccompOptions {
  /** The errno behind an answer. A test that gives its own can tell the filter's refusals from the kernel's. */
  readonly errnoOf?: (answer: Answer) => number;
}

/** One `struct sock_filter`. */
interface Instruction {
  readonly code: number;
  /** Instructions to skip where the comparison holds, and where not. */
  readonly jumpTrue: number;
  readonly jumpFalse: number;
  readonly k: number;
}

const code = { loadWord: 0x20, and: 0x54, jumpEqual: 0x15, jumpGreater: 0x25, jumpGreaterOrEqual: 0x35, return: 0x06 };
const verdict = { killProcess: 0x80000000, errno: 0x00050000, allow: 0x7fff0000 };
/** Offsets in `struct seccomp_data`. Little endian: the low half of an argument comes first. */
const offset = { number: 0, arch: 4, argument: (index: number) => 16 + 8 * index };

const linuxErrno: Readonly<Record<Answer, number>> = { EPERM: 1, ENOSYS: 38, EPROTONOSUPPORT: 93, EAFNOSUPPORT: 97 };

/**
 * The filter of `table.ts` as an array of `struct sock_filter`, little endian: what `bwrap --seccomp FD` reads.
 * A linear chain: the kernel remembers calls that are allowed whatever their arguments, and skips it for these.
 */
export function seccompProgram(arch: Arch, options: SeccompOptions = {}): Buffer {
  const errnoOf = options.errnoOf ?? ((answer: Answer) => linuxErrno[answer]);
  const refuse = (answer: Answer) => end(verdict.errno + errnoOf(answer));
  return encode(
    [
      load(offset.arch),
      unless(code.jumpEqual, auditArch[arch], [end(verdict.killProcess)]),
      load(offset.number),
      arch === 'x64' ? given(code.jumpGreaterOrEqual, x32Bit, [end(verdict.killProcess)]) : [],
      given(code.jumpGreater, newestKnownCall, [refuse('ENOSYS')]),
      refusedCalls(arch).map(({ number, answer }) => given(code.jumpEqual, number, [refuse(answer)])),
      argumentRules.map((rule) => checkedCall(rule, arch, refuse)),
      end(verdict.allow),
    ].flat(2),
  );
}

function refusedCalls(arch: Arch): { number: number; answer: Answer }[] {
  return rows.flatMap(({ answer, calls }) =>
    Object.values(calls).flatMap((numbers) => (numbers[arch] === undefined ? [] : [{ number: numbers[arch], answer }])),
  );
}

/** Every path through the block returns, so that the chain after it still finds the call's number loaded. */
function checkedCall(rule: ArgumentRule, arch: Arch, refuse: (answer: Answer) => Instruction): Instruction[] {
  const number = rule.numbers[arch];
  if (number === undefined) return [];
  const refusals = rule.refusals.flatMap(({ when, answer }) =>
    when.reduceRight((inner, condition) => givenCondition(condition, inner), [refuse(answer)]),
  );
  return given(code.jumpEqual, number, [...refusals, end(verdict.allow)]);
}

/** `inner` runs where the condition holds and is skipped where not; `inner` itself ends in a return. */
function givenCondition({ arg, mask, is, values }: Condition, inner: Instruction[]): Instruction[] {
  const compare = values.map((value, index) => {
    const comparisonsLeft = values.length - 1 - index;
    const toInner = comparisonsLeft;
    const pastInner = comparisonsLeft + inner.length;
    const last = comparisonsLeft === 0;
    if (is === 'in') return jump(code.jumpEqual, value, toInner, last ? pastInner : 0);
    return jump(code.jumpEqual, value, pastInner, 0);
  });
  const masked = mask === undefined ? [] : [{ code: code.and, jumpTrue: 0, jumpFalse: 0, k: mask }];
  return [load(offset.argument(arg)), ...masked, ...compare, ...inner];
}

/** `inner` runs where the loaded value compares so with `k`, and is skipped where not. */
function given(comparison: number, k: number, inner: Instruction[]): Instruction[] {
  return [jump(comparison, k, 0, inner.length), ...inner];
}

function unless(comparison: number, k: number, inner: Instruction[]): Instruction[] {
  return [jump(comparison, k, inner.length, 0), ...inner];
}

function load(at: number): Instruction {
  return { code: code.loadWord, jumpTrue: 0, jumpFalse: 0, k: at };
}

function end(k: number): Instruction {
  return { code: code.return, jumpTrue: 0, jumpFalse: 0, k };
}

function jump(comparison: number, k: number, jumpTrue: number, jumpFalse: number): Instruction {
  return { code: comparison, jumpTrue, jumpFalse, k };
}

/** Writing a jump of more than 255 throws, as it is one byte. */
function encode(program: readonly Instruction[]): Buffer {
  const buffer = Buffer.alloc(8 * program.length);
  for (const [index, instruction] of program.entries()) {
    const at = 8 * index;
    buffer.writeUInt16LE(instruction.code, at);
    buffer.writeUInt8(instruction.jumpTrue, at + 2);
    buffer.writeUInt8(instruction.jumpFalse, at + 3);
    buffer.writeUInt32LE(instruction.k >>> 0, at + 4);
  }
  return buffer;
}

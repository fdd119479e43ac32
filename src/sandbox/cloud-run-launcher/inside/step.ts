import { type ChildProcess, spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants as system } from 'node:os';
import { commandOf } from '../../shared/command.ts';
import type { RunOrder } from '../protocol/words.ts';
import type { Stdin } from './stdin.ts';

export interface StepUses {
  readonly workspace: string;
  readonly path: string;
  readonly stdin: Stdin;
  readonly stdout: number;
  readonly stderr: number;
}

export interface StepEnd {
  readonly exitCode: number;
  readonly began: boolean;
}

/**
 * Limits first, by a shell with an empty environment, then `began` on descriptor 3, then the caller's environment, then
 * the program: nothing that the caller chose runs without its limits. A limit that is lower already is kept. What the
 * shell itself says does not pose as the program's output. dash calls the limit on processes -p, bash -u.
 */
const script = `exec 4>&2 2>/dev/null
limit() { ulimit "-$1" "$2" || [ "$(ulimit -H "-$1")" != unlimited ] || exit 125; }
limit c 0
limit f "$1"
limit n "$2"
limit d "$3"
ulimit -u "$4" || limit p "$4"
shift 4
echo began >&3 || exit 125
exec /usr/bin/env -i "$@" 2>&4 3>&- 4>&-`;

/** Runs one program to its end. What it left running goes on. */
export async function runStep(order: RunOrder, uses: StepUses): Promise<StepEnd> {
  try {
    const child = order.stdin ? uses.stdin.lend((file) => start(order, uses, file)) : start(order, uses, 'ignore');
    return await followed(child);
  } catch (error) {
    writeSync(uses.stderr, `${order.argv[0]}: ${error instanceof Error ? error.message : String(error)}\n`);
    return { exitCode: 126, began: true };
  }
}

function start(
  { argv, env, limits }: RunOrder,
  { workspace, path, stdout, stderr }: StepUses,
  stdin: number | 'ignore',
) {
  const { fileBytes, openFiles, dataBytes, processes } = limits;
  const values = [Math.ceil(fileBytes / 512), openFiles, Math.ceil(dataBytes / 1024), processes].map(String);
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return spawn('/bin/sh', ['-c', script, 'sh', ...values, ...variables, ...commandOf(argv, path)], {
    env: {},
    cwd: workspace,
    stdio: [stdin, stdout, stderr, 'pipe'],
  });
}

function followed(child: ChildProcess): Promise<StepEnd> {
  const state = { began: false };
  const word = child.stdio[3];
  if (word instanceof Socket) word.on('data', () => Object.assign(state, { began: true }));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    // Not `exit`: the word on descriptor 3 comes before the end of that pipe.
    child.once('close', (code, signal) => resolve({ exitCode: code ?? codeOf(signal), began: state.began }));
  });
}

function codeOf(signal: NodeJS.Signals | null): number {
  return signal === null ? 255 : 128 + system.signals[signal];
}

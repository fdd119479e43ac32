import { createInterface } from 'node:readline/promises';
import { createApp } from '../app.ts';
import type { Caller } from '../contracts/caller.ts';
import type { TaskId } from '../contracts/ids.ts';
import { createLogger } from '../lib/logger.ts';
import { SettingsError } from '../lib/settings.ts';
import type { ToolServices } from '../tools/index.ts';
import { configOfProcess } from './config-of-process.ts';
import { readBatch } from './run/batch-file.ts';
import { carryOut } from './run/carry-out.ts';
import { createScreen, type Screen } from './run/screen.ts';

/** Runs a file of tasks. Exit code 0 if all succeeded, 1 if any failed or was left, 2 if the file is refused. */
export async function run(args: readonly string[]): Promise<number> {
  const { file, dir, flags } = parseArguments(args);
  const config = configOfProcess(flags);
  const log = createLogger({ level: 'warn', name: 'run' });
  // Whoever types this may bring whatever they can read.
  const app = await createApp({ ...config, inputRoots: ['/'] }, log);
  try {
    const caller: Caller = { owner: `local:${process.getuid?.() ?? 'user'}` };
    const { tools, services } = app.face;
    const batch = await readBatch(file, { tools, inputs: services.inputs, owner: caller.owner });
    const screen = createScreen(process.stdout, process.stderr);
    const started = new Set<TaskId>();
    const stop = stopOnInterrupt();
    app.warm();
    const end = await carryOut({
      ...{ batch, dir, services, caller, screen, stop },
      started: (id) => started.add(id),
    });
    if (stop.aborted) await cancelIfWanted(started, services, caller, screen);
    else screen.say(`${end.succeeded} succeeded, ${end.failed} failed; results are in ${dir}`);
    return end.succeeded === batch.tasks.length ? 0 : 1;
  } finally {
    await app.close();
  }
}

// --- Internal helpers ---

const usage = 'say "runyard run FILE --out DIR".';

function parseArguments(args: readonly string[]): { file: string; dir: string; flags: string[] } {
  const [file, ...rest] = args;
  if (file === undefined || file.startsWith('--')) throw new SettingsError(`which file of tasks? ${usage}`);
  const at = rest.findIndex((flag) => flag === '--out' || flag.startsWith('--out='));
  const inline = rest[at]?.slice('--out='.length);
  const dir = rest[at] === '--out' ? rest[at + 1] : inline;
  if (at === -1 || dir === undefined || dir === '') throw new SettingsError(`where do the results go? ${usage}`);
  const used = rest[at] === '--out' ? 2 : 1;
  return { file, dir, flags: [...rest.slice(0, at), ...rest.slice(at + used)] };
}

/** The first Ctrl-C ends the waiting; the next one is the system's own. */
function stopOnInterrupt(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(signal));
  return stop.signal;
}

/** Tasks outlive whoever waits for them; on a terminal a person is asked whether they should. */
async function cancelIfWanted(
  started: ReadonlySet<TaskId>,
  { tasks }: ToolServices,
  caller: Caller,
  screen: Screen,
): Promise<void> {
  const now = { waitMs: 0, signal: new AbortController().signal };
  const unfinished: TaskId[] = [];
  for (const id of started) {
    const { status } = await tasks.look(id, caller);
    if (status === 'queued' || status === 'running') unfinished.push(id);
  }
  if (unfinished.length === 0) return screen.say('Stopped; no task is under way. Start it again to go on.');
  if (!(await wantsCancel(unfinished.length))) {
    return screen.say(`Stopped waiting; ${unfinished.length} tasks go on. Start it again to fetch their results.`);
  }
  await Promise.all(unfinished.map((id) => tasks.cancel(id, caller, now)));
  screen.say(`${unfinished.length} tasks were cancelled.`);
}

async function wantsCancel(count: number): Promise<boolean> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) return false;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`Cancel the ${count} tasks that are under way? [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}

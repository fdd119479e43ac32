import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** What is asked of the thread. */
export type Question =
  | { readonly kind: 'fits'; readonly schema: Readonly<Record<string, unknown>>; readonly value: unknown }
  | { readonly kind: 'select'; readonly globs: readonly string[]; readonly paths: readonly string[] };

/** `fault` is null where the value fits. `broken`: the question itself could not be answered. */
export type Answer = { readonly fault: string | null } | { readonly paths: string[] } | { readonly broken: string };

/**
 * A schema, a pattern or a glob of a caller may take for ever: it gets this much of a processor, in a thread that can be
 * ended. By the clock it gets more, because on a busy machine a question that takes a moment may wait for its turn.
 */
const thinkingMs = 1000;
const waitingMs = 10_000;
/** Where Node cannot tell what a thread has used (before 24.6). */
const waitingBlindMs = 3000;
const loadingMs = 15_000;
const heapMb = 128;

/** Why the value does not fit the schema, in a few words; null where it fits. Never takes longer than the thread may. */
export async function faultAgainst(schema: Readonly<Record<string, unknown>>, value: unknown): Promise<string | null> {
  const answer = await ask({ kind: 'fits', schema, value });
  if ('fault' in answer) return answer.fault;
  return 'broken' in answer ? `it cannot be checked: ${answer.broken}` : 'it cannot be checked';
}

/** The paths that a glob matches; a sentence where that could not be found out. */
export async function pathsMatching(
  globs: readonly string[],
  paths: readonly string[],
): Promise<readonly string[] | string> {
  const answer = await ask({ kind: 'select', globs, paths });
  if ('paths' in answer) return answer.paths;
  return 'broken' in answer ? answer.broken : 'no answer';
}

// --- Internal helpers ---

async function ask(question: Question): Promise<Answer> {
  const worker = new Worker(workerUrl(), { resourceLimits: { maxOldGenerationSizeMb: heapMb }, env: {}, argv: [] });
  // Where it fails in the moment when it is ended, nobody else listens, and the error would end the whole runner.
  worker.on('error', () => undefined);
  try {
    await next(worker, loadingMs);
    worker.postMessage(question);
    return await answerOf(worker);
  } catch (error) {
    return { broken: error instanceof Error && error.name === 'AbortError' ? tookTooLong : String(error) };
  } finally {
    await worker.terminate();
  }
}

const tookTooLong = `it took longer than ${thinkingMs / 1000} s`;

const lookEveryMs = 100;

/** The answer, as long as the thread has not thought for too long. */
async function answerOf(worker: Worker): Promise<Answer> {
  const tells = 'cpuUsage' in worker;
  const stop = new AbortController();
  const answer = once(worker, 'message', { signal: stop.signal });
  const startedAtMs = performance.now();
  const watch = setInterval(async () => {
    const waitedMs = performance.now() - startedAtMs;
    const usedMs = tells ? await thoughtMs(worker) : 0;
    if (usedMs > thinkingMs || waitedMs > (tells ? waitingMs : waitingBlindMs)) stop.abort();
  }, lookEveryMs);
  try {
    const [message] = await answer;
    return message;
  } finally {
    clearInterval(watch);
  }
}

async function thoughtMs(worker: Worker): Promise<number> {
  // A thread that has ended meanwhile has answered, or is told of by its error.
  const used = await worker.cpuUsage().catch(() => undefined);
  return used === undefined ? 0 : (used.user + used.system) / 1000;
}

/** The next message; throws what ended the thread, or an `AbortError` at the deadline. */
async function next(worker: Worker, deadlineMs: number): Promise<Answer> {
  const [message] = await once(worker, 'message', { signal: AbortSignal.timeout(deadlineMs) });
  return message;
}

/** Beside this file, in the language this file is in: sources run as they are in development. */
function workerUrl(): URL {
  return new URL(`./judge-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
}

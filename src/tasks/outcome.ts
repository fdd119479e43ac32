import { cleanText } from '../contracts/clean-text.ts';
import { RunyardError } from '../contracts/errors.ts';
import { limits } from '../contracts/limits.ts';
import type { Store } from '../contracts/store.ts';
import type { RunError, RunResult, RunSummary, TaskEnd, TaskOutcome, TaskRecord } from '../contracts/task.ts';
import { type Clip, clip, fairShare, unclip } from '../lib/clip.ts';
import { concurrently } from '../lib/concurrently.ts';
import { readResult, runsOf } from './objects.ts';
import { createTally } from './status.ts';

/** What several runs came to together. Every result is read once, and of each only what an output tells is kept. */

/** Results in memory at once: each may hold 64 KiB of output and a thousand artifacts. */
const readsAtOnce = 16;

export async function readOutcome(store: Store, record: TaskRecord): Promise<{ end: TaskEnd; outcome: TaskOutcome }> {
  const tally = createTally(record.kind);
  const gists = await concurrently(runsOf(record), readsAtOnce, async (run) => {
    const result = await readResult(store, record.id, run);
    if (result === undefined) throw new RunyardError('backend_error', `Result ${run} of ${record.id} is gone.`);
    tally.add(result);
    return gistOf(result, record);
  });
  const end = tally.end();
  const { costUsd, usage } = end;
  const outcome = {
    runs: summariesOf(gists),
    ...artifactsOf(gists),
    durationMs: Math.max(...gists.map((gist) => gist.endedAtMs)) - Math.min(...gists.map((gist) => gist.startedAtMs)),
    sandbox: (gists.find(({ sandbox }) => sandbox.technology !== 'none') ?? gists[0]!).sandbox,
    ...(costUsd === undefined ? {} : { costUsd }),
    ...(usage === undefined ? {} : { usage }),
  };
  return { end, outcome };
}

/** What is kept of a result until all are read. */
interface Gist {
  readonly summary: Omit<RunSummary, 'text' | 'error'>;
  readonly text: Clip;
  readonly error: (Omit<RunError, 'message'> & { readonly message: Clip }) | undefined;
  readonly artifacts: TaskOutcome['artifacts'];
  readonly artifactsLeftOut: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly sandbox: RunResult['sandbox'];
}

/** One message is one sentence; a program may say a long one, and give its exceptions long names. */
const messageBytesMax = 512;
const typeBytesMax = 128;

function gistOf(result: RunResult, record: TaskRecord): Gist {
  const { run, status, exitCode, error, claude } = result;
  const startedAtMs = Date.parse(result.startedAt);
  const artifacts = firstArtifacts(result, Math.floor(limits.runsArtifactsBytes / record.runs));
  return {
    summary: { run, status, exitCode, ...(record.kind === 'claude' ? { costUsd: claude?.costUsd ?? null } : {}) },
    text: clip(cleanText(claude?.response ?? result.stdout), limits.runTextBytes),
    error: error && gistOfError(error),
    artifacts,
    artifactsLeftOut: result.artifacts.length - artifacts.length,
    startedAtMs,
    endedAtMs: startedAtMs + result.durationMs,
    sandbox: result.sandbox,
  };
}

function gistOfError({ type, message, ...error }: RunError): NonNullable<Gist['error']> {
  const cutType = type === undefined ? {} : { type: unclip(clip(cleanText(type), typeBytesMax), typeBytesMax) };
  return { ...error, ...cutType, message: clip(cleanText(message), messageBytesMax) };
}

/** Long texts are cut as far as is needed for all of them to fit together. */
function summariesOf(gists: readonly Gist[]): RunSummary[] {
  const messages = gists.map(({ error }) => error?.message.bytes ?? 0);
  const messageBytes = Math.min(messageBytesMax, fairShare(messages, limits.runsMessageBytes));
  const texts = gists.map(({ text }) => Math.min(text.bytes, limits.runTextBytes));
  const textBytes = Math.min(limits.runTextBytes, fairShare(texts, limits.runsTextBytes));
  return gists.map(({ summary, text, error }) => ({
    ...summary,
    ...(error === undefined ? {} : { error: { ...error, message: unclip(error.message, messageBytes) } }),
    text: unclip(text, textBytes),
  }));
}

/** About what an artifact takes in an output besides its path, which stands there twice. */
const artifactBytes = 250;

function sizeInOutput({ path }: { readonly path: string }): number {
  return artifactBytes + 2 * Buffer.byteLength(path);
}

/** The first one in any case, and as many more as fit a run's share. */
function firstArtifacts({ run, artifacts }: RunResult, shareBytes: number): TaskOutcome['artifacts'] {
  let left = shareBytes;
  return artifacts
    .filter((artifact, index) => {
      left -= sizeInOutput(artifact);
      return index === 0 || left >= 0;
    })
    .map(({ text: _, ...artifact }) => ({ run, ...artifact }));
}

function artifactsOf(gists: readonly Gist[]): Pick<TaskOutcome, 'artifacts' | 'artifactsLeftOut'> {
  const all = gists.flatMap(({ artifacts }) => artifacts);
  let left: number = limits.runsArtifactsBytes;
  const artifacts = all.filter((artifact) => {
    left -= sizeInOutput(artifact);
    return left >= 0;
  });
  const leftOutBefore = gists.reduce((sum, gist) => sum + gist.artifactsLeftOut, 0);
  return { artifacts, artifactsLeftOut: leftOutBefore + all.length - artifacts.length };
}

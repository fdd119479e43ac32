import { AccessExpired, asRunyardError, RunyardError } from '../contracts/errors.ts';
import type { Gateway, GatewayOptions } from '../contracts/gateway.ts';
import { keys } from '../contracts/keys.ts';
import type { RunnerHint } from '../contracts/runner-channel.ts';
import type { KillReason, Sandbox } from '../contracts/sandbox.ts';
import type { Seal } from '../contracts/seal.ts';
import type { Store } from '../contracts/store.ts';
import {
  type Claim,
  type Handle,
  neverBegun,
  type RunResult,
  type TaskRecord,
  type TaskSpec,
  taskSpec,
} from '../contracts/task.ts';
import type { Logger } from '../lib/logger.ts';
import { once } from '../lib/once.ts';
import { keepArtifact } from './artifacts.ts';
import { claimRun } from './claim.ts';
import { runCode } from './code/run-code.ts';
import { createEventLog } from './events.ts';
import { stopped } from './limits.ts';
import { type Patience, usualPatience } from './patience.ts';
import { reportResult } from './report.ts';
import type { RunContext, RunOutcome } from './run-context.ts';

export interface RunDependencies {
  readonly store: Store;
  readonly seal: Seal;
  readonly sandbox: Sandbox;
  readonly openGateway: (options: GatewayOptions) => Promise<Gateway>;
  /** How a server finds this runner again. */
  readonly handle: Handle;
  readonly tell: (hint: RunnerHint) => void;
  readonly log: Logger;
}

export interface RunOptions {
  /** Gives the spec where somebody has read it already; what it throws becomes the run's result. */
  readonly spec?: () => Promise<TaskSpec>;
  /** Asked at the end: false where only a server can know how the run ended. */
  readonly mayReport?: () => boolean;
  /** Is given the result as it lies in the store, where it is the one of this runner that holds. */
  readonly onReported?: (text: string) => void;
  readonly patience?: Patience;
}

/**
 * `taken`: somebody else has claimed the run. `unreported`: it has no result, and a server settles it. `refused`: so it
 * is, because the store takes nothing from this runner.
 */
export type RunEnd = 'reported' | 'taken' | 'unreported' | 'refused';

/** One run from claim to result. Never rejects: what goes wrong is the run's result, or the server's to settle. */
export async function executeRun(
  dependencies: RunDependencies,
  task: TaskRecord,
  run: number,
  stop: AbortController,
  options: RunOptions = {},
): Promise<RunEnd> {
  const afterwards: (() => Promise<void>)[] = [];
  const carryOut = () => outcomeOf(dependencies, task, run, stop, (work) => afterwards.push(work), options);
  const end = await claimAndReport(dependencies, task, run, carryOut, options);
  for (const work of afterwards) {
    await work().catch((error: unknown) =>
      dependencies.log.error({ task: task.id, run, error }, 'a wall could not be cleared away'),
    );
  }
  return end;
}

/** Claims a run of which not even the task could be read, and makes that failure its result. Never rejects. */
export function reportUnreadable(
  dependencies: RunDependencies,
  task: Pick<TaskRecord, 'id'>,
  run: number,
  error: unknown,
): Promise<RunEnd> {
  return claimAndReport(dependencies, task, run, async () => failedOutcome(dependencies, task, run, error));
}

async function claimAndReport(
  dependencies: RunDependencies,
  task: Pick<TaskRecord, 'id'>,
  run: number,
  carryOut: () => Promise<RunOutcome>,
  { mayReport = () => true, onReported = () => {} }: Pick<RunOptions, 'mayReport' | 'onReported'> = {},
): Promise<RunEnd> {
  const { store, log } = dependencies;
  try {
    const claim = await claimRun(store, task, run, dependencies.handle);
    if (claim === undefined) return 'taken';
    const claimOnDisk = persistLater(store, keys.claim(task.id, run));
    const outcome = await carryOut();
    if (!mayReport()) return 'unreported';
    const result = resultOf(claim, run, outcome);
    const claimed = claimOnDisk().catch((error: unknown) =>
      // The result says all that the claim does, and has its own way to the disk.
      log.warn({ task: task.id, run, error }, 'a claim is not known to be on disk'),
    );
    const [reported] = await Promise.all([reportResult(store, task, result, dependencies), claimed]);
    if (reported !== undefined) onReported(reported);
    return 'reported';
  } catch (error) {
    log.error({ task: task.id, run, error }, 'the run has no result; a server settles it');
    return asRunyardError(error).retryable ? 'unreported' : 'refused';
  }
}

/** The disk is left to the program at its start. */
const persistAfterMs = 200;

/** Persists the object after a while, or at the latest when the returned function is called, which waits for it. */
function persistLater(store: Store, key: string): () => Promise<void> {
  const persisted = once(() => store.persist(key));
  // What fails here is thrown where it is waited for.
  const timer = setTimeout(() => void persisted().catch(() => undefined), persistAfterMs);
  return () => {
    clearTimeout(timer);
    return persisted();
  };
}

function resultOf(claim: Claim, run: number, outcome: RunOutcome): RunResult {
  return { run, startedAt: claim.at, durationMs: Date.now() - Date.parse(claim.at), ...outcome };
}

async function outcomeOf(
  dependencies: RunDependencies,
  task: TaskRecord,
  run: number,
  stop: AbortController,
  afterwards: RunContext['afterwards'],
  { spec: givenSpec = () => readSpec(dependencies, task), patience = usualPatience }: RunOptions,
): Promise<RunOutcome> {
  const { store, tell } = dependencies;
  const timer = setTimeout(() => stop.abort('timed_out' satisfies KillReason), task.timeoutSeconds * 1000);
  const events = createEventLog({
    store,
    task: task.id,
    run,
    onFlushed: () => tell({ task: task.id, run, news: 'events' }),
  });
  try {
    if (await isCancelled(store, task)) stop.abort('cancelled' satisfies KillReason);
    const spec = await givenSpec();
    if (stop.signal.aborted) {
      const end = withoutProgram(dependencies, stopped(stop.signal.reason as KillReason, task));
      return spec.kind === 'claude' ? { ...end, claude: neverBegun } : end;
    }
    return await execute(spec, {
      task,
      run,
      events,
      store,
      sandbox: dependencies.sandbox,
      keepArtifact: (file) => keepArtifact(store, task, run, file),
      stop: stop.signal,
      patience,
      warn: (error, what) => dependencies.log.warn({ task: task.id, run, error }, what),
      openGateway: dependencies.openGateway,
      afterwards,
    });
  } catch (error) {
    if (stop.signal.aborted) return withoutProgram(dependencies, stopped(stop.signal.reason as KillReason, task));
    return failedOutcome(dependencies, task, run, error);
  } finally {
    clearTimeout(timer);
    await events.close().catch((error: unknown) => {
      dependencies.log.warn({ task: task.id, run, error }, 'a part of the log could not be stored');
    });
  }
}

function failedOutcome(
  dependencies: RunDependencies,
  task: Pick<TaskRecord, 'id'>,
  run: number,
  error: unknown,
): RunOutcome {
  dependencies.log.warn({ task: task.id, run, error }, 'the run could not be carried out');
  const { code, message, hint } = asRunyardError(error);
  return withoutProgram(dependencies, { status: 'failed', error: { code, message: `${message} ${hint}` } });
}

/** A runner whose token has expired cannot know; whoever cancels wakes it by a signal. */
async function isCancelled(store: Store, task: TaskRecord): Promise<boolean> {
  try {
    return (await store.read(keys.cancel(task.id))) !== undefined;
  } catch (error) {
    if (error instanceof AccessExpired) return false;
    throw error;
  }
}

async function execute(spec: TaskSpec, context: RunContext): Promise<RunOutcome> {
  if (spec.kind === 'code') return runCode(spec, context);
  const { runClaude } = await import('./claude/run-claude.ts');
  return runClaude(spec, context);
}

/** Reads and unseals what the run is to do. */
export async function readSpec(
  { store, seal }: Pick<RunDependencies, 'store' | 'seal'>,
  task: TaskRecord,
): Promise<TaskSpec> {
  const sealed = await store.read(keys.sealed(task.id));
  if (sealed === undefined) throw new RunyardError('backend_error', `The sealed part of ${task.id} is gone.`);
  return taskSpec.parse(JSON.parse((await seal.unseal(sealed, task.id)).toString('utf8')));
}

function withoutProgram({ sandbox }: RunDependencies, end: Pick<RunOutcome, 'status' | 'error'>): RunOutcome {
  return {
    ...end,
    exitCode: null,
    stdout: '',
    stderr: '',
    truncated: false,
    artifacts: [],
    sandbox: { technology: sandbox.technology, network: 'none' },
  };
}

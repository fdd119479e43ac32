import { createApp } from '../../../app.ts';
import type { Config } from '../../../config.ts';
import type { CloudPlace } from '../../../contracts/cloud.ts';
import { asRunyardError } from '../../../contracts/errors.ts';
import type { Finding } from '../../../contracts/sandbox.ts';
import type { CodeSpec, RunResult, TaskRecord } from '../../../contracts/task.ts';
import type { NewTask, TaskService, TaskView } from '../../../contracts/task-service.ts';
import { silentLogger } from '../../../lib/logger.ts';
import { createGcsStore } from '../../../store/gcs/index.ts';
import { removeTask } from '../../../tasks/recover.ts';
import { names } from '../../deploy/installation.ts';
import { duration } from '../../deploy/print.ts';
import { gcloud } from '../../deploy/shell.ts';
import { inScratchHome } from '../scratch.ts';
import { wallFinding, wallProgram } from './wall.ts';

export interface TrialOptions {
  /** Of progress, for people. */
  readonly tell: (line: string) => void;
  /** Ends the trial, and what it started. */
  readonly signal: AbortSignal;
  /** How long it may take until it has ended; five minutes where not given. */
  readonly withinMs?: number;
}

/** Of a configuration that names a place in the cloud. */
export type CloudConfig = Config & { readonly cloud: CloudPlace };

const subject = 'trial';
const caller = { owner: 'local:doctor' };
const timeoutSeconds = 20;
const tellEveryMs = 5000;
const cancelWaitMs = 10_000;

const spec: CodeSpec = { kind: 'code', language: 'bash', code: wallProgram, files: [], stdin: '', args: [], env: {} };
const task: NewTask = { spec, runs: 1, size: 'small', timeoutSeconds };

/**
 * One tiny task through the real store, seal, jobs and runner: whether it comes back, after how long, and what it saw of
 * its wall. Looks after no other task, and leaves nothing of its own. Never throws.
 */
export async function cloudTrial(config: CloudConfig, options: TrialOptions): Promise<Finding[]> {
  try {
    return await withTasks(config, (tasks) => tryOne(tasks, config.cloud, options));
  } catch (error) {
    const { message, hint } = asRunyardError(error);
    return [{ subject, state: 'missing', detail: message, remedy: hint }];
  }
}

interface Tasks extends TaskService {
  /** Removes everything of it. */
  forget(record: TaskRecord): Promise<void>;
}

/** The service as a server has it, but alone: the tasks of others are none of the doctor's business. */
async function withTasks<T>(config: CloudConfig, work: (tasks: Tasks) => Promise<T>): Promise<T> {
  const { project, bucket, endpoints } = config.cloud;
  const store = createGcsStore({ project, bucket, endpoint: endpoints.storage });
  return inScratchHome(async (home) => {
    const app = await createApp({ ...config, home }, silentLogger, { alone: true });
    try {
      return await work({ ...app.face.services.tasks, forget: (record) => removeTask({ store }, record) });
    } finally {
      await app.close();
    }
  });
}

async function tryOne(tasks: Tasks, place: CloudPlace, options: TrialOptions): Promise<Finding[]> {
  const submittedAtMs = Date.now();
  options.tell(`A small task is on its way to ${names.jobId(place, 'small')}, which takes up to a minute ...`);
  const id = await tasks.submit(task, caller);
  const first = await tasks.look(id, caller);
  const findings = await follow(tasks, first, { ...options, submittedAtMs, place });
  try {
    await tasks.forget(first.record);
    return findings;
  } catch (error) {
    const { message, hint } = asRunyardError(error);
    return [...findings, { subject: 'what the trial left', state: 'limited', detail: message, remedy: hint }];
  }
}

interface Following extends TrialOptions {
  readonly submittedAtMs: number;
  readonly place: CloudPlace;
}

/** To its end, or to the deadline, at which it is cancelled. */
async function follow(tasks: Tasks, first: TaskView, following: Following): Promise<Finding[]> {
  const { tell, signal, withinMs = 5 * 60_000, submittedAtMs } = following;
  const { id } = first.record;
  const sinceMs = () => Date.now() - submittedAtMs;
  let view = first;
  while (!hasEnded(view) && sinceMs() < withinMs && !signal.aborted) {
    view = await tasks.wait(id, caller, { waitMs: Math.min(tellEveryMs, withinMs - sinceMs()), signal });
    if (!hasEnded(view)) tell(`... ${view.status} for ${duration(sinceMs())}`);
  }
  if (hasEnded(view)) return findingsOf(view.result, following);
  const waitedMs = sinceMs();
  const left = await tasks.cancel(id, caller, { waitMs: cancelWaitMs, signal: AbortSignal.timeout(cancelWaitMs) });
  // It may have come to its end in between.
  if (left.result?.status === 'succeeded') return findingsOf(left.result, following);
  return [signal.aborted ? stopped : tooLong(view, waitedMs, following.place)];
}

type Ended = TaskView & { readonly result: RunResult };

function hasEnded(view: TaskView): view is Ended {
  return view.result !== undefined;
}

function findingsOf(result: RunResult, { submittedAtMs, place }: Following): Finding[] {
  const { status, error, stdout, sandbox, startedAt } = result;
  if (status !== 'succeeded') {
    return [
      {
        subject,
        state: 'missing',
        detail: `${status}: ${error?.message ?? 'no reason was given'}`,
        remedy: `Mend what is marked above; see also ${executionsLine(place)}`,
      },
    ];
  }
  // Two clocks: the runner's, and this one.
  const startedAfter = duration(Math.max(0, Date.parse(startedAt) - submittedAtMs));
  const detail = `a small task ran on Cloud Run: it began after ${startedAfter}, its result was here after ${duration(Date.now() - submittedAtMs)}`;
  return [{ subject, state: 'ok', detail }, wallFinding(stdout, sandbox)];
}

const stopped: Finding = { subject, state: 'missing', detail: 'stopped by you', remedy: 'Run the doctor again.' };

function tooLong({ status }: TaskView, ms: number, place: CloudPlace): Finding {
  return {
    subject,
    state: 'missing',
    detail: `still ${status} after ${duration(ms)}, and cancelled`,
    remedy: `What Cloud Run says of it: ${executionsLine(place)}`,
  };
}

function executionsLine(place: CloudPlace): string {
  const { project, region } = place;
  const job = names.jobId(place, 'small');
  return gcloud('run', 'jobs', 'executions', 'list', `--job=${job}`, `--region=${region}`, `--project=${project}`);
}

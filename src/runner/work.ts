import type { TaskId } from '../contracts/ids.ts';
import { keys } from '../contracts/keys.ts';
import type { KillReason } from '../contracts/sandbox.ts';
import { type TaskRecord, taskRecord } from '../contracts/task.ts';
import { createQueue } from './queue.ts';
import { executeRun, type RunDependencies } from './run.ts';

/** All runs in the hands of this runner. */
export interface Work {
  /** Takes the task's runs where they are new, and stops them where the task was cancelled. */
  look(id: TaskId): Promise<void>;
  /** Stops every run under way; resolves when each has its result. What only waits is left to another runner. */
  stopAll(): Promise<void>;
  readonly idle: boolean;
}

export interface WorkOptions extends RunDependencies {
  /** Runs at once. */
  readonly slots: number;
  readonly onIdle: () => void;
}

/** A cancel by another server is seen this soon. */
const cancelLookMs = 2000;

export function createWork(options: WorkOptions): Work {
  const { store, log } = options;
  const queue = createQueue(options.slots, () => onIdle());
  const known = new Map<TaskId, TaskInHand>();
  let stopping = false;
  /** Calls that were heard and have not become runs yet. */
  let looking = 0;
  let watch: NodeJS.Timeout | undefined;

  const drained: (() => void)[] = [];

  const isIdle = () => queue.idle && looking === 0;

  const onIdle = () => {
    if (!isIdle()) return;
    clearInterval(watch);
    watch = undefined;
    for (const resolve of drained.splice(0)) resolve();
    options.onIdle();
  };

  const readTask = async (id: TaskId): Promise<TaskRecord | undefined> => {
    const bytes = await store.read(keys.record(id));
    return bytes === undefined ? undefined : taskRecord.parse(JSON.parse(bytes.toString('utf8')));
  };

  const stopIfCancelled = async (id: TaskId) => {
    if ((await store.read(keys.cancel(id))) === undefined) return;
    for (const stop of known.get(id)?.underWay ?? []) stop.abort('cancelled' satisfies KillReason);
  };

  /** Never rejects: a store that cannot be read now is looked into again, or the run ends for another reason. */
  const lookForCancel = (id: TaskId) =>
    stopIfCancelled(id).catch((error: unknown) => log.warn({ task: id, error }, 'could not look for a cancel'));

  const stopCancelled = () => {
    for (const id of known.keys()) void lookForCancel(id);
  };

  const execute = async (task: TaskRecord, run: number, inHand: TaskInHand) => {
    const stop = new AbortController();
    inHand.underWay.add(stop);
    if (!stopping) await executeRun(options, task, run, stop);
    inHand.underWay.delete(stop);
    inHand.left--;
    if (inHand.left === 0) known.delete(task.id);
  };

  const take = (task: TaskRecord) => {
    const inHand: TaskInHand = { underWay: new Set(), left: task.runs };
    known.set(task.id, inHand);
    watch ??= setInterval(stopCancelled, cancelLookMs);
    queue.add(
      task.owner,
      eachRun(task, (run) => execute(task, run, inHand)),
    );
  };

  const look = async (id: TaskId) => {
    if (known.has(id)) return stopIfCancelled(id);
    const task = await readTask(id);
    if (task === undefined) log.warn({ task: id }, 'was called for a task that is not in the store');
    else if (!known.has(id) && !stopping) take(task);
  };

  return {
    async look(id) {
      looking++;
      try {
        await look(id);
      } finally {
        looking--;
        onIdle();
      }
    },
    async stopAll() {
      stopping = true;
      for (const id of known.keys()) {
        await lookForCancel(id);
        for (const stop of known.get(id)?.underWay ?? []) stop.abort('stopped' satisfies KillReason);
      }
      if (!isIdle()) await new Promise<void>((resolve) => drained.push(resolve));
    },
    get idle() {
      return isIdle();
    },
  };
}

interface TaskInHand {
  /** What ends each run under way. */
  readonly underWay: Set<AbortController>;
  /** Runs that have not ended. */
  left: number;
}

/** A thousand runs wait as one number. */
function* eachRun({ runs }: TaskRecord, execute: (run: number) => Promise<void>): Generator<() => Promise<void>> {
  for (let run = 0; run < runs; run++) yield () => execute(run);
}

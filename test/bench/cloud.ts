import { keys } from '../../src/contracts/keys.ts';
import { createHome, type Served, serve } from '../e2e/served.ts';
import { type Google, startGoogle } from '../fakes/google/yard.ts';
import type { Row } from './report.ts';
import { inMs, median } from './statistics.ts';

/** A server on Cloud Run, against services on loopback that answer at once. */
export interface CloudBench {
  readonly google: Google;
  readonly served: Served;
  /** Milliseconds from the call until RunJob arrives. Nothing is started, so that nothing else takes the processor. */
  msUntilRunJob(): Promise<number>;
  /** Milliseconds from when the result of a program that takes so long is in the bucket until the waiting caller has it. */
  msUntilTold(seconds: number): Promise<number>;
  close(): Promise<void>;
}

export async function openCloudBench(): Promise<CloudBench> {
  const { home, remove } = createHome();
  const askedAt: number[] = [];
  const disturb = ({ url }: { readonly url: string }) => {
    if (url.includes(':run?')) askedAt.push(performance.now());
    return undefined;
  };
  const google = await startGoogle({ storage: 'ours', run: { disturb } });
  google.run.setQuota({ runsPerMinute: 1_000_000 });
  const served = await serve(home, google.env);
  return {
    google,
    served,
    async msUntilRunJob() {
      google.run.plan({ neverStarts: true });
      const before = askedAt.length;
      const calledAt = performance.now();
      const input = { language: 'bash', code: 'true', wait_seconds: 0 };
      const { task_id: taskId } = await served.call('execute_code', input);
      const [at, ...more] = askedAt.slice(before);
      if (at === undefined || more.length > 0) throw new Error(`RunJob was asked for ${more.length} times too often`);
      await served.call('cancel_task', { task_id: taskId });
      return at - calledAt;
    },
    async msUntilTold(seconds) {
      const input = { language: 'bash', code: `sleep ${seconds}`, wait_seconds: 60 };
      const { task_id: taskId } = await served.call('execute_code', input);
      const toldAtMs = Date.now();
      const result = google.storageServer!.objects(google.place.bucket).get(keys.result(String(taskId), 0));
      if (result === undefined) throw new Error('the caller was told what is not in the bucket');
      return toldAtMs - Date.parse(result.timeCreated);
    },
    async close() {
      await served.close();
      await google.close();
      remove();
    },
  };
}

const calls = 30;
/** Looks at a task become rarer the longer it takes. */
const programSeconds = Array.from({ length: 12 }, (_, n) => n * 0.5);

/** What Cloud Run costs besides Google's own time, as information: machines differ in it. */
export async function cloudRows(): Promise<Row[]> {
  const bench = await openCloudBench();
  try {
    for (let call = 0; call < 10; call++) await bench.msUntilRunJob();
    const started: number[] = [];
    for (let call = 0; call < calls; call++) started.push(await bench.msUntilRunJob());
    const told: number[] = [];
    for (const seconds of programSeconds) told.push(await bench.msUntilTold(seconds));
    return [row('cloud-run: call to RunJob', started, 60), row('cloud-run: result to caller', told, 400)];
  } finally {
    await bench.close();
  }
}

function row(what: string, times: readonly number[], promiseMs: number): Row {
  return {
    what,
    ours: inMs(times),
    against: 'a stand-in on loopback',
    value: median(times),
    floor: { kind: 'at most', value: promiseMs, unit: 'ms' },
    informs: true,
  };
}

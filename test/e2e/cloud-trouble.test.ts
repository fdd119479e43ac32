import { afterAll, beforeAll, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import { createGcsStore } from '../../src/store/gcs/index.ts';
import { type Google, startGoogle } from '../fakes/google/yard.ts';
import { createHome, type Served, serve } from './served.ts';

/** Requests that are refused, lost, cut and late, of servers and of runners, in an order that is always the same. */

const tasks = 12;

const { home, remove } = createHome();
let google: Google;
beforeAll(async () => {
  const odds = {
    refused: 0.04,
    deniedAfterwards: 0.02,
    lostRequest: 0.02,
    lostAnswer: 0.02,
    halfAnswer: 0.01,
    delayed: 0.05,
  };
  google = await startGoogle({ trouble: { odds, seed: 20261121 } });
});
afterAll(async () => {
  await google.close();
  remove();
});

const input = (n: number, name: string) => ({
  language: 'bash',
  code: `echo begun ${n}; echo ${n} > output/n.txt; exit ${n % 3}`,
  idempotency_key: `${name} ${n}`,
});

/** Until it has ended, whatever happens to a call on its way. */
async function ended(served: Served, taskId: string): Promise<Record<string, unknown>> {
  for (const deadline = Date.now() + 200_000; ; ) {
    const answer = await served
      .call('get_task_logs', { task_id: taskId, wait_seconds: 5 })
      .catch((error: unknown) => ({ result: undefined, error }));
    if (answer.result !== undefined) return answer.result as Record<string, unknown>;
    if (Date.now() > deadline) throw new Error(`${taskId} has not ended: ${JSON.stringify(answer)}`);
  }
}

/** Each task has one claim, one result, and what its program did. */
async function expectTruth(served: Served, ids: readonly string[]): Promise<void> {
  const { project, bucket } = google.place;
  const store = createGcsStore({ project, bucket, endpoint: google.storage.url });
  for (const [n, id] of ids.entries()) {
    expect({ n, ...(await ended(served, id)) }).toMatchObject({
      n,
      status: n % 3 === 0 ? 'succeeded' : 'failed',
      exit_code: n % 3,
      stdout: `begun ${n}\n`,
      artifacts: [{ path: 'output/n.txt', text: `${n}\n` }],
    });
    expect(await store.list(keys.claims(id))).toEqual([keys.claim(id, 0)]);
    expect(await store.list(keys.results(id))).toEqual([keys.result(id, 0)]);
  }
}

/** The task under its key, which is the same one however often it is asked for. */
async function begin(served: Served, n: number, name: string): Promise<string> {
  for (;;) {
    const call = served.call('execute_code', { ...input(n, name), wait_seconds: 0 });
    const answer = await call.catch(() => undefined);
    if (answer !== undefined) return String(answer.task_id);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const numbers = Array.from({ length: tasks }, (_, n) => n);

test(`of ${tasks} tasks none is lost, none is run twice, and every result is true`, async () => {
  const served = await serve(home, google.env);
  const ids = await Promise.all(numbers.map((n) => begin(served, n, 'trouble')));
  await expectTruth(served, ids);
  const harmed = google.troubles.map(({ counts }) => counts.refused + counts.lostAnswer + counts.lostRequest);
  expect(harmed.reduce((sum, each) => sum + each)).toBeGreaterThan(10);
  await served.close();
}, 300_000);

test(`servers that are killed at any moment lose none of ${tasks} tasks`, async () => {
  for (const [round, afterMs] of [50, 150, 300, 500, 800, 1300].entries()) {
    const served = await serve(home, google.env);
    const some = numbers.filter((n) => n % 6 <= round);
    const calls = some.map((n) => served.call('execute_code', { ...input(n, 'killed'), wait_seconds: 0 }));
    const settled = Promise.allSettled(calls);
    // From before the first write to after the last launch.
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    process.kill(served.pid, 'SIGKILL');
    await settled;
  }
  const last = await serve(home, google.env);
  await expectTruth(last, await Promise.all(numbers.map((n) => begin(last, n, 'killed'))));
  await last.close();
}, 400_000);

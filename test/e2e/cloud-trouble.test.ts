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

test(`of ${tasks} tasks none is lost, none is run twice, and every result is true`, async () => {
  const served = await serve(home, google.env);
  const begin = async (n: number): Promise<string> => {
    for (;;) {
      const call = served.call('execute_code', { ...input(n, 'trouble'), wait_seconds: 0 });
      // The same key makes it the same task, however often it is asked for.
      const answer = await call.catch(() => undefined);
      if (answer !== undefined) return String(answer.task_id);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const ids = await Promise.all(Array.from({ length: tasks }, (_, n) => begin(n)));
  await expectTruth(served, ids);
  const harmed = google.troubles.map(({ counts }) => counts.refused + counts.lostAnswer + counts.lostRequest);
  expect(harmed.reduce((sum, each) => sum + each)).toBeGreaterThan(10);
  await served.close();
}, 300_000);

test(`servers that are killed at any moment lose none of ${tasks} tasks`, async () => {
  const ids = new Map<number, string>();
  for (let server = 0; ids.size < tasks; server++) {
    const served = await serve(home, google.env);
    const left = Array.from({ length: tasks }, (_, n) => n).filter((n) => !ids.has(n));
    const calls = left.slice(0, 6).map(async (n) => {
      const answer = await served.call('execute_code', { ...input(n, 'killed'), wait_seconds: 0 });
      ids.set(n, String(answer.task_id));
    });
    for (const call of calls) call.catch(() => undefined);
    // From before the first write to after the last launch.
    await new Promise((resolve) => setTimeout(resolve, 100 + 250 * (server % 8)));
    process.kill(served.pid, 'SIGKILL');
    await Promise.allSettled(calls);
  }
  const last = await serve(home, google.env);
  await expectTruth(
    last,
    Array.from({ length: tasks }, (_, n) => ids.get(n)!),
  );
  await last.close();
}, 400_000);

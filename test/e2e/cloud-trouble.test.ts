import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, type TestContext, test } from 'vitest';
import { z } from 'zod';
import { keys } from '../../src/contracts/keys.ts';
import { createGcsStore } from '../../src/store/gcs/index.ts';
import type { Disturbance } from '../fakes/google/server.ts';
import { randomsFrom } from '../fakes/google/trouble.ts';
import { type Google, startGoogle } from '../fakes/google/yard.ts';
import { createHome, type ServedOverHttp, serveHttp } from './served.ts';

/**
 * Requests that are refused, lost, cut and late, of servers and of runners, in an order that is always the same, and
 * servers that are killed. RUNYARD_TEST_TASKS says how many tasks; the promise is for 200.
 */

const tasks = Number(process.env.RUNYARD_TEST_TASKS ?? 12);
/** A launch that is lost costs a minute, and one task may lose several. */
const timeoutMs = 300_000 + tasks * 6_000;
const seed = 20261121;
const odds = {
  refused: 0.04,
  deniedAfterwards: 0.02,
  lostRequest: 0.02,
  lostAnswer: 0.02,
  halfAnswer: 0.01,
  delayed: 0.05,
};
const tokens = [0, 1, 2, 3].map((n) => `key-of-owner-${n}-${'x'.repeat(16)}`);

const numbers = Array.from({ length: tasks }, (_, n) => n);
const tokenOf = (n: number) => tokens[n % tokens.length]!;

interface Bench {
  readonly google: Google;
  /** The server of this moment. */
  readonly server: () => ServedOverHttp;
  /** SIGKILL, and another in its place. */
  replace(): Promise<void>;
}

async function openBench(
  { onTestFinished }: TestContext,
  disturb: (url: string) => Disturbance | undefined = () => undefined,
): Promise<Bench> {
  const { home, remove } = createHome();
  const google = await startGoogle({
    trouble: { odds, seed },
    run: { disturb: ({ url }) => disturb(url), containersAtOnce: 12 },
  });
  google.run.setQuota({ runsPerMinute: 1_000_000 });
  const keysOfOwners = tokens.map((token, n) => `owner${n}:${token}`).join(',');
  const start = () => serveHttp(home, { ...google.env, RUNYARD_API_KEYS: keysOfOwners });
  let server = await start();
  const kill = async () => {
    const { child } = server;
    const gone = child.exitCode ?? child.signalCode ?? once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  onTestFinished(async () => {
    await kill();
    await google.close();
    remove();
  });
  return {
    google,
    server: () => server,
    async replace() {
      await kill();
      server = await start();
    },
  };
}

/** Asked again of whichever server is there until one answers. */
async function asked(bench: Bench, n: number, tool: string, input: Record<string, unknown>) {
  for (const deadline = Date.now() + timeoutMs; ; ) {
    const answer = await bench
      .server()
      .call(tokenOf(n), tool, input)
      .catch((error: unknown) => ({ failure: String(error) }));
    if (!('failure' in answer)) return answer;
    if (Date.now() > deadline) throw new Error(`${tool} of task ${n}: ${answer.failure}`);
    await delay(200);
  }
}

interface Progress {
  begun: number;
  ended: number;
}

/** The same task under its key however often it is asked for; its id once it has ended. */
async function carryOut(bench: Bench, n: number, progress: Progress = { begun: 0, ended: 0 }): Promise<string> {
  const code = `echo begun ${n}; echo ${n} > output/n.txt; exit ${n % 3}`;
  const input = { language: 'bash', code, idempotency_key: `task ${n}`, wait_seconds: 0 };
  const { task_id: task } = await asked(bench, n, 'execute_code', input);
  progress.begun++;
  for (;;) {
    const { result } = await asked(bench, n, 'get_task_logs', { task_id: task, wait_seconds: 30 });
    if (result === undefined) continue;
    progress.ended++;
    return String(task);
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !isSo() && Date.now() < deadline; ) await delay(50);
}

/** What task `n` must have come to. */
const truth = (n: number) =>
  z.looseObject({
    status: z.literal(n % 3 === 0 ? 'succeeded' : 'failed'),
    exit_code: z.literal(n % 3),
    stdout: z.literal(`begun ${n}\n`),
    artifacts: z.tuple([z.looseObject({ path: z.literal('output/n.txt'), text: z.literal(`${n}\n`) })]),
  });

/** Each has one claim, one result, and what its program did; nothing else was begun. */
async function expectTruth({ onTestFinished }: TestContext, bench: Bench, ids: readonly string[]): Promise<void> {
  const { project, bucket } = bench.google.place;
  const store = createGcsStore({ project, bucket, endpoint: bench.google.storage.url });
  onTestFinished(() => store.close());
  expect(new Set(ids).size).toBe(tasks);
  const others: unknown[] = [];
  for (const [n, id] of ids.entries()) {
    const { result } = await asked(bench, n, 'get_task_logs', { task_id: id });
    const claims = await store.list(keys.claims(id));
    const results = await store.list(keys.results(id));
    const once = claims.join() === keys.claim(id, 0) && results.join() === keys.result(id, 0);
    if (!once || !truth(n).safeParse(result).success) others.push({ n, claims, results, result });
  }
  expect(others).toEqual([]);
  const begun = new Set(bench.google.run.executions().map(({ spec }) => spec.env.RUNYARD_TASK));
  expect(begun).toEqual(new Set(ids));
}

// What is lost costs waits, not work: both at once.
test.concurrent(`of ${tasks} tasks none is lost, none is run twice, and every result is true`, {
  timeout: timeoutMs,
}, async (context) => {
  const bench = await openBench(context);
  const startedAt = Date.now();
  const ids = await Promise.all(numbers.map((n) => carryOut(bench, n)));
  await expectTruth(context, bench, ids);
  const harmed = bench.google.troubles.flatMap(({ counts }) => [counts.refused, counts.lostAnswer, counts.lostRequest]);
  const sum = harmed.reduce((all, each) => all + each);
  console.info(`${tasks} tasks in ${(Date.now() - startedAt) / 1000} s; ${sum} requests came to harm`);
  expect(sum).toBeGreaterThan(10);
});

test.concurrent(`servers that are killed at any moment lose none of ${tasks} tasks`, {
  timeout: timeoutMs * 2,
}, async (context) => {
  const random = randomsFrom(seed);
  const atRunJob: { kill?: () => void } = {};
  const bench = await openBench(context, (url) => {
    const { kill } = atRunJob;
    if (kill === undefined || !url.includes(':run?')) return undefined;
    // Carried out, and nobody there to hear the answer.
    const change = (body: string) => {
      kill();
      return body;
    };
    return { kind: 'damage', change };
  });
  const startedAt = Date.now();
  const kills = { between: 0, anywhere: 0 };
  const progress = { begun: 0, ended: 0 };
  const carried = Promise.all(numbers.map((n) => carryOut(bench, n, progress)));
  // One for every eight steps of all, a begin or an end, so that each server gets on with something.
  for (let step = 0; step < 2 * tasks; step += 8) {
    await Promise.race([carried, until(() => progress.begun + progress.ended >= step)]);
    await delay(random() * 1500);
    const { child } = bench.server();
    if (random() < 0.5 && progress.begun < tasks) {
      const gone = once(child, 'exit');
      atRunJob.kill = () => void child.kill('SIGKILL');
      await Promise.race([gone, delay(10_000)]);
      delete atRunJob.kill;
    }
    kills[child.signalCode === null ? 'anywhere' : 'between']++;
    await bench.replace();
  }
  await expectTruth(context, bench, await carried);
  const seconds = (Date.now() - startedAt) / 1000;
  console.info(`${tasks} tasks in ${seconds} s; killed ${kills.anywhere} times, after RunJob ${kills.between}`);
  expect(kills).toEqual({ between: expect.toSatisfy((n) => n > 0), anywhere: expect.toSatisfy((n) => n > 0) });
});

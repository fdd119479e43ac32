import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import { type Claim, claim } from '../../src/contracts/task.ts';
import { alice, bob, codeTask, createYard, ended, type Yard, type YardServer } from './yard.ts';

/** Tasks with several runs on the local backend, with real walls. */

let yard: Yard;
let server: YardServer;

beforeAll(() => {
  yard = createYard();
  server = yard.server();
});
afterAll(() => yard.remove());

const never = new AbortController().signal;
const tinyTask = (runs: number) => codeTask({ language: 'bash', code: 'echo $RUNYARD_RUN' }, { runs });

async function claimOf(id: string, run: number): Promise<Claim | undefined> {
  const bytes = await yard.store.read(keys.claim(id, run));
  return bytes === undefined ? undefined : claim.parse(JSON.parse(bytes.toString()));
}

test('each run knows its number, and has lines, artifacts and a result of its own; one that fails stops no other', async () => {
  const code = `
import os, sys, time
run = int(os.environ["RUNYARD_RUN"])
time.sleep(0.3 * (2 - run))
print("run", run, "of", os.environ["RUNYARD_RUNS"])
open("output/number.txt", "w").write(str(run))
if run == 1: sys.exit(7)
`;
  const id = await server.tasks.submit(codeTask({ code }, { runs: 3 }), alice);
  const view = await ended(server, id);
  expect(view).toMatchObject({ status: 'failed', runsEnded: 3 });
  expect(view.outcome?.runs.map(({ run, exitCode, text }) => ({ run, exitCode, text }))).toEqual([
    { run: 0, exitCode: 0, text: 'run 0 of 3\n' },
    { run: 1, exitCode: 7, text: 'run 1 of 3\n' },
    { run: 2, exitCode: 0, text: 'run 2 of 3\n' },
  ]);
  for (const run of [0, 1, 2]) {
    const { lines } = await server.tasks.events(id, alice, { run, maxLines: 10, maxBytes: 1000 });
    expect(lines.map((line) => [line.run, line.text])).toEqual([[run, `run ${run} of 3`]]);
    const { bytes } = await server.tasks.artifact(id, alice, { run, path: 'output/number.txt', offset: 0 });
    expect(bytes.toString()).toBe(String(run));
  }
  await expect(server.tasks.artifact(id, alice, { run: 3, path: 'a', offset: 0 })).rejects.toMatchObject({
    code: 'not_found',
  });
});

test('a size is a limit of its own', async () => {
  const code = 'a = bytearray(3 * 1024**3); print(len(a))';
  const small = await server.tasks.submit(codeTask({ code }), alice);
  const medium = await server.tasks.submit(codeTask({ code: 'print("fits")' }, { size: 'medium' }), alice);
  expect((await ended(server, medium)).result?.stdout).toBe('fits\n');
  expect((await ended(server, small)).status).toBe('failed');
});

test('a thousand tiny runs take neither the memory of the runner nor the turn of another', {
  timeout: 240_000,
}, async () => {
  const first = await server.tasks.submit(codeTask({ code: 'print("warm")' }), bob);
  await ended(server, first, bob);
  const { handle } = (await claimOf(first, 0))!;
  const residentMiB = () =>
    Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${handle!.pid}/status`, 'utf8'))![1]) / 1024;
  const before = residentMiB();

  const id = await server.tasks.submit(tinyTask(1000), alice);
  const all = ended(server, id, alice, 230_000);
  for (const caller of [bob, alice]) {
    const small = await server.tasks.submit(codeTask({ code: 'print("me too")' }), caller);
    expect((await ended(server, small, caller)).result?.stdout).toBe('me too\n');
    expect((await server.tasks.look(id, alice)).status).toBe('running');
  }
  const { outcome, status } = await all;
  expect(status).toBe('succeeded');
  expect(outcome?.runs.map(({ text }) => text)).toEqual(Array.from({ length: 1000 }, (_, run) => `${run}\n`));
  expect(residentMiB() - before).toBeLessThan(60);
  expect(await yard.store.list(keys.pendingOf(alice.owner))).toEqual([]);
});

test('a thousand runs are cancelled together, begun or not', { timeout: 90_000 }, async () => {
  const id = await server.tasks.submit(
    codeTask({ language: 'bash', code: 'echo begun; sleep 300' }, { runs: 1000 }),
    alice,
  );
  await expect.poll(() => claimOf(id, 3), { timeout: 20_000 }).toBeDefined();
  const view = await server.tasks.cancel(id, alice, { waitMs: 40_000, signal: never });
  expect(view).toMatchObject({ status: 'cancelled', runsEnded: 1000 });
  const next = await server.tasks.submit(codeTask({ code: 'print("free again")' }), alice);
  expect((await ended(server, next)).result?.stdout).toBe('free again\n');
});

test('the server dies in the middle: the runs go on, and another tells of all', async () => {
  const dying = yard.server();
  const code = 'import os, time; time.sleep(0.3); print(os.environ["RUNYARD_RUN"])';
  const id = await dying.tasks.submit(codeTask({ code }, { runs: 30 }), alice);
  await expect.poll(() => claimOf(id, 2), { timeout: 20_000 }).toBeDefined();
  await dying.die();
  const view = await ended(server, id, alice, 50_000);
  expect(view.outcome?.runs.map(({ text }) => text)).toEqual(Array.from({ length: 30 }, (_, run) => `${run}\n`));
});

test('the runner dies in the middle: what it was at is lost, what waited is launched anew', {
  timeout: 90_000,
}, async () => {
  const other = yard.server();
  const code = 'import os, time; print("begun", flush=True); time.sleep(1); print(os.environ["RUNYARD_RUN"])';
  // Some wait, however many a runner has under way at once on this machine.
  const runsOfAll = 4 * availableParallelism() + 32;
  const id = await other.tasks.submit(codeTask({ code }, { runs: runsOfAll }), alice);
  await expect.poll(() => claimOf(id, 2), { timeout: 20_000 }).toBeDefined();
  process.kill(Number((await claimOf(id, 0))!.handle!.pid), 'SIGKILL');
  const view = await ended(other, id, alice, 80_000);
  const runs = view.outcome!.runs;
  const lost = runs.filter(({ error }) => error?.code === 'runner_lost');
  const done = runs.filter(({ status }) => status === 'succeeded');
  expect(lost.length).toBeGreaterThan(0);
  expect(done.length).toBeGreaterThan(20);
  expect(lost.length + done.length).toBe(runsOfAll);
  expect(done.every(({ run, text }) => text === `begun\n${run}\n`)).toBe(true);
});

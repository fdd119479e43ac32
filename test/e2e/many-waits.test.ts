import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { newTaskId } from '../../src/contracts/ids.ts';
import { keys } from '../../src/contracts/keys.ts';
import type { Store } from '../../src/contracts/store.ts';
import { type Claim, claim, type TaskRecord } from '../../src/contracts/task.ts';
import { concurrently } from '../../src/lib/concurrently.ts';
import { createGcsStore } from '../../src/store/gcs/index.ts';
import { startGoogle } from '../fakes/google/yard.ts';
import { createHome } from './served.ts';

/** A thousand calls that wait, in one server of the built program. */

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const owners = Array.from({ length: 12 }, (_, n) => ({ id: `owner${n}`, key: `key-of-owner-${n}-${'x'.repeat(16)}` }));
const callsOfOwner = 84;
const callsOfAll = owners.length * callsOfOwner;

interface Server {
  readonly child: ChildProcess;
  readonly url: string;
}

async function startServer(home: string, env: Readonly<Record<string, string>> = {}): Promise<Server> {
  const child = spawn(process.execPath, [main, 'serve', '--http', '127.0.0.1:0'], {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: home,
      RUNYARD_HOME: home,
      RUNYARD_WORK: join(home, 'work'),
      RUNYARD_API_KEYS: owners.map(({ id, key }) => `${id}:${key}`).join(','),
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const listening = Promise.withResolvers<string>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    const { url } = z.looseObject({ url: z.string().optional() }).parse(JSON.parse(line));
    if (url !== undefined) listening.resolve(url);
  });
  return { child, url: await listening.promise };
}

type Call = (owner: (typeof owners)[number], tool: string, input: object) => Promise<string>;

/** What the server holds while it answers none of these calls, in MiB. `begin` makes them, and resolves when they wait. */
async function residentWhileWaiting({ child, url }: Server, begin: (call: Call) => Promise<Promise<string>[]>) {
  const stop = new AbortController();
  const calls = await begin(async ({ key }, tool, input) => {
    const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
    const request = { method: 'POST', headers, body: JSON.stringify(input), signal: stop.signal };
    try {
      const response = await fetch(new URL(`/v1/tools/${tool}`, url), request);
      return `${response.status} ${await response.text()}`;
    } catch (error) {
      return stop.signal.aborted ? 'still waiting' : String(error);
    }
  });
  // Long enough for garbage to show.
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const resident = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]);
  stop.abort();
  expect([...new Set(await Promise.all(calls))]).toEqual(['still waiting']);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return resident / 1024;
}

/** It outlives its server as long as it has work. */
function killRunner(home: string): void {
  const tasks = join(home, 'store/tasks');
  for (const id of readdirSync(tasks)) {
    const name = readdirSync(join(tasks, id)).find((entry) => entry.startsWith('claims'));
    if (name === undefined) continue;
    const { handle } = claim.parse(JSON.parse(readFileSync(join(tasks, id, name), 'utf8')));
    process.kill(Number(handle!.pid), 'SIGKILL');
    return;
  }
}

test('1,000 waited tasks in one server stay below 300 MB, on this machine', { timeout: 150_000 }, async () => {
  const { home, remove } = createHome();
  onTestFinished(remove);
  const pending = join(home, 'store/pending');
  const submitted = () =>
    readdirSync(pending).reduce((sum, owner) => sum + readdirSync(join(pending, owner)).length, 0);
  const resident = await residentWhileWaiting(await startServer(home), async (call) => {
    const input = { language: 'bash', code: 'sleep 600', timeout_seconds: 600, wait_seconds: 300 };
    const calls = eachCall((owner) => call(owner, 'execute_code', input));
    await expect.poll(submitted, { timeout: 100_000, interval: 250 }).toBe(callsOfAll);
    return calls;
  });
  killRunner(home);
  expect(resident).toBeLessThan(300);
});

test('1,000 waited tasks in one server stay below 300 MB, in a bucket', { timeout: 300_000 }, async () => {
  const { home, remove } = createHome();
  const google = await startGoogle();
  onTestFinished(async () => {
    await google.close();
    remove();
  });
  const { project, bucket, endpoints } = google.place;
  const store = createGcsStore({ project, bucket, endpoint: endpoints.storage });
  const taskOf = new Map<object, string[]>(owners.map((owner) => [owner, []]));
  const all = owners.flatMap((owner) => Array.from({ length: callsOfOwner }, () => owner));
  await concurrently(all, 24, async (owner) => taskOf.get(owner)!.push(await runningTask(store, `key:${owner.id}`)));
  const server = await startServer(home, google.env);
  const resident = await residentWhileWaiting(server, async (call) =>
    eachCall((owner, n) => call(owner, 'get_task_logs', { task_id: taskOf.get(owner)![n], wait_seconds: 300 })),
  );
  expect(resident).toBeLessThan(300);
});

function eachCall(call: (owner: (typeof owners)[number], n: number) => Promise<string>): Promise<string>[] {
  return owners.flatMap((owner) => Array.from({ length: callsOfOwner }, (_, n) => call(owner, n)));
}

/** A task in the hands of a server that settles it: nobody is asked about it for as long as this test takes. */
async function runningTask(store: Store, owner: string): Promise<string> {
  const id = newTaskId();
  const createdAt = new Date().toISOString();
  const at = new Date(Date.now() + 600_000).toISOString();
  const limits = { runs: 1, size: 'small', timeoutSeconds: 600 } as const;
  const record: TaskRecord = { id, kind: 'code', owner, backend: 'cloud-run', createdAt, ...limits };
  await store.create(keys.record(id), JSON.stringify(record));
  await store.create(keys.claim(id, 0), JSON.stringify({ writer: 'a server', at } satisfies Claim));
  return id;
}

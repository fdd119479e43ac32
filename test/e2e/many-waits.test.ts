import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { claim } from '../../src/contracts/task.ts';
import { createHome } from './served.ts';

/** A thousand calls that wait, in one server. */

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const owners = Array.from({ length: 12 }, (_, n) => ({ id: `owner${n}`, key: `key-of-owner-${n}-${'x'.repeat(16)}` }));
const callsOfOwner = 84;

async function startServer(home: string) {
  const child = spawn(process.execPath, [main, 'serve', '--http', '127.0.0.1:0'], {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: home,
      RUNYARD_HOME: home,
      RUNYARD_WORK: join(home, 'work'),
      RUNYARD_API_KEYS: owners.map(({ id, key }) => `${id}:${key}`).join(','),
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

const residentMiB = (pid: number) =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

/** The runner outlives its server as long as it has work. */
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

test('1,000 waited tasks in one server stay below 300 MB', { timeout: 120_000 }, async () => {
  const { home, remove } = createHome();
  onTestFinished(remove);
  const { child, url } = await startServer(home);
  const stop = new AbortController();
  const body = JSON.stringify({ language: 'bash', code: 'sleep 600', timeout_seconds: 600, wait_seconds: 300 });
  const calls = owners.flatMap(({ key }) =>
    Array.from({ length: callsOfOwner }, () =>
      fetch(new URL('/v1/tools/execute_code', url), {
        method: 'POST',
        headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
        body,
        signal: stop.signal,
      }).then(
        async (response) => `${response.status} ${await response.text()}`,
        (error: unknown) => (stop.signal.aborted ? 'still waiting' : String(error)),
      ),
    ),
  );
  const submitted = () =>
    readdirSync(join(home, 'store/pending')).flatMap((owner) => readdirSync(join(home, 'store/pending', owner)));
  await expect.poll(() => submitted().length, { timeout: 90_000, interval: 250 }).toBe(owners.length * callsOfOwner);
  // Long enough for each to have looked and to have been settled.
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const megabytes = residentMiB(child.pid!);
  stop.abort();
  expect([...new Set(await Promise.all(calls))]).toEqual(['still waiting']);
  child.kill('SIGKILL');
  await once(child, 'exit');
  killRunner(home);
  expect(megabytes).toBeLessThan(300);
});

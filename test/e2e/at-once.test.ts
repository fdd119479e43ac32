import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import { runResult } from '../../src/contracts/task.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';
import { createHome } from './served.ts';
import { alice, codeTask, createYard, ended } from './yard.ts';

/** How much happens at the same time is what the README says, whatever the machine. */

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const yard = createYard();
const { home, remove } = createHome();
afterAll(async () => {
  await yard.remove();
  remove();
});

test('prior C7a: as many runs at once as the machine has cores, times four', { timeout: 120_000 }, async () => {
  expect(readme).toContain('As many runs at once as the machine has cores, times four');
  const slots = availableParallelism() * 4;
  const server = yard.server();
  const runs = slots + 2;
  const id = await server.tasks.submit(codeTask({ code: 'import time; time.sleep(8)' }, { runs }), alice);
  expect((await ended(server, id, alice, 100_000)).status).toBe('succeeded');
  const results = await Promise.all(
    Array.from({ length: runs }, async (_, run) =>
      runResult.parse(JSON.parse(String(await yard.store.read(keys.result(id, run))))),
    ),
  );
  const spans = results.map(({ startedAt, durationMs }) => [Date.parse(startedAt), Date.parse(startedAt) + durationMs]);
  const underWay = spans.map(([at = 0]) => spans.filter(([from = 0, to = 0]) => from <= at && at < to).length);
  expect(Math.max(...underWay)).toBe(slots);
});

test('prior C7a: of a batch 8 tasks at once, where it does not say otherwise', { timeout: 120_000 }, async () => {
  expect(readme).toContain('8 at a time unless `concurrency` says otherwise');
  const dir = join(home, 'batch');
  mkdirSync(dir);
  const tasks = Array.from({ length: 10 }, (_, n) => `  - { id: t${n}, code: sleep 4 }`);
  const defaults = 'defaults: { tool: execute_code, language: bash }';
  writeFileSync(join(dir, 'tasks.yaml'), [defaults, 'tasks:', ...tasks].join('\n'));
  const store = createFilesystemStore({ dir: join(home, 'store') });
  const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
  const child = spawn(process.execPath, [main, 'run', join(dir, 'tasks.yaml'), '--out', join(dir, 'out')], {
    env: { PATH: process.env.PATH ?? '', RUNYARD_HOME: home, RUNYARD_WORK: join(home, 'work') },
    stdio: 'ignore',
  });
  const closed = once(child, 'close');
  const seen: number[] = [];
  while (child.exitCode === null) {
    seen.push((await store.list(keys.allPending)).length);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(await closed).toEqual([0, null]);
  await store.close();
  expect(Math.max(...seen)).toBe(8);
});

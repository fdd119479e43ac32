import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
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
  const seen: number[] = [];
  for (let results = 0; results < runs; ) {
    // In this order, none counts that has ended before the other list was read.
    const claimed = (await yard.store.list(keys.claims(id))).length;
    results = (await yard.store.list(keys.results(id))).length;
    seen.push(claimed - results);
    await delay(50);
  }
  expect(Math.max(...seen)).toBe(slots);
  expect((await ended(server, id, alice)).status).toBe('succeeded');
});

test('prior C7a: of a batch 8 tasks at once, where it does not say otherwise', { timeout: 120_000 }, async () => {
  expect(readme).toContain('8 at a time unless `concurrency` says otherwise');
  const dir = join(home, 'batch');
  mkdirSync(dir);
  const tasks = Array.from({ length: 10 }, (_, n) => `  - { id: t${n}, code: sleep 6 }`);
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
    await delay(50);
  }
  expect(await closed).toEqual([0, null]);
  await store.close();
  expect(Math.max(...seen)).toBe(8);
});

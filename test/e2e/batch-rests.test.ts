import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { carryOut } from '../../src/commands/run/carry-out.ts';
import { createScreen } from '../../src/commands/run/screen.ts';
import { RunyardError } from '../../src/contracts/errors.ts';
import type { Store } from '../../src/contracts/store.ts';
import { executeCode } from '../../src/tools/execute-code.ts';
import type { ToolServices } from '../../src/tools/index.ts';
import { alice, createYard } from './yard.ts';

const none = () => Promise.reject(new RunyardError('not_found'));

/** All that execute_code asks of a server. */
function servicesWith(tasks: ToolServices['tasks']): ToolServices {
  return {
    tasks,
    issues: { createIssue: none },
    modelEndpoint: () => undefined,
    policy: { allowedDomains: [], maxBudgetUsd: undefined, hasPrice: async () => true },
    inputs: { resolve: none, put: none },
  };
}

test('a store that rests while a batch waits for a task is asked again, and the task counts as what it came to', async () => {
  const yard = createYard();
  const dir = mkdtempSync(join(tmpdir(), 'runyard-rests-'));
  onTestFinished(async () => {
    await yard.remove();
    rmSync(dir, { recursive: true, force: true });
  });
  const rest = { begins: false, refusals: 0 };
  const resting = (store: Store): Store => ({
    ...store,
    async read(key, range) {
      if (rest.begins && key.includes('/results/') && ++rest.refusals <= 2)
        throw new RunyardError('backend_error', 'The store rests.');
      return store.read(key, range);
    },
  });
  const printed: string[] = [];
  const out = { write: (text: string) => printed.push(text) };
  const input = { language: 'bash', code: 'sleep 1; echo done', idempotency_key: 'one' };
  const end = await carryOut({
    batch: { concurrency: 1, tasks: [{ id: 'one', tool: executeCode, input }] },
    dir,
    services: servicesWith(yard.server(resting).tasks),
    caller: alice,
    screen: createScreen(out, out),
    stop: new AbortController().signal,
    started: () => {
      rest.begins = true;
    },
  });
  expect({ end, printed }).toEqual({
    end: { succeeded: 1, failed: 0 },
    printed: [expect.stringContaining('succeeded')],
  });
  expect(rest.refusals).toBeGreaterThan(2);
  expect(JSON.parse(readFileSync(join(dir, 'one/result.json'), 'utf8'))).toMatchObject({ stdout: 'done\n' });
});

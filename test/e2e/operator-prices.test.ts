import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { startGoogle } from '../fakes/google/yard.ts';
import { say, startModelServer } from '../fakes/model-server.ts';
import { lacking } from './claude-runs.ts';
import { createHome, serve } from './served.ts';

/** The operator's prices (RUNYARD_PRICES) count in the run itself, wherever it happens. */

const { home, remove } = createHome();
afterAll(remove);

const key = 'sk-ant-api03-of-the-operator';
/** A model that the package knows no price of. */
const model = 'claude-of-our-contract';
const rates = { input: 1000, output: 2000, cacheWrite5m: 3000, cacheWrite1h: 4000, cacheRead: 500 };
const file = join(home, 'prices.json');
writeFileSync(file, JSON.stringify({ date: '2026-11-21', source: 'our contract', models: { [model]: rates } }));

const answer = z.looseObject({
  status: z.string(),
  cost_usd: z.number().nullable(),
  usage: z.looseObject({ input_tokens: z.number(), output_tokens: z.number() }),
});

const usage = { usage: { input_tokens: 1000, output_tokens: 100 } };
const runUsd = (1000 * rates.input + 100 * rates.output) / 1e6;

describe.skipIf(lacking !== undefined)(
  `the operator's prices${lacking === undefined ? '' : ` (skipped: needs ${lacking})`}`,
  () => {
    test.each(['local', 'cloud-run'])('on %s', async (backend) => {
      const google = backend === 'local' ? undefined : await startGoogle();
      const upstream = await startModelServer([say('done', usage)], { key });
      const prices = { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: upstream.url, RUNYARD_PRICES: file };
      const served = await serve(home, { ...google?.env, ...prices });
      onTestFinished(async () => {
        await served.close();
        await google?.close();
        await upstream.close();
      });
      const run = async (fields: object) =>
        answer.parse(await served.call('run_claude_task', { prompt: 'x', wait_seconds: 60, ...fields }));

      const priced = await run({ model });
      expect(priced).toMatchObject({ status: 'succeeded', usage: { input_tokens: 1000, output_tokens: 100 } });
      expect(priced.cost_usd).toBeCloseTo(runUsd, 6);
      // A whole table of prices: what is not in it has none, though the package knows one.
      expect(await run({ model: 'claude-opus-4-5' })).toMatchObject({ status: 'succeeded', cost_usd: null });
      // The budget is held with the same prices, where it is asked for and where it is spent.
      expect(await run({ model, max_budget_usd: 0.001 })).toMatchObject({
        status: 'failed',
        error: { code: 'budget_exceeded' },
      });
      expect(
        await served.refusal('run_claude_task', { prompt: 'x', model: 'claude-opus-4-5', max_budget_usd: 5 }),
      ).toMatch(/^invalid_request: model: claude-opus-4-5 has no known price/);
    });
  },
);

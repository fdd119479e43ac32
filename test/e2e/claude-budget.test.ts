import { describe, expect, test } from 'vitest';
import { say, useBash } from '../fakes/model-server.ts';
import { lacking, useClaude } from './claude-runs.ts';

describe.skipIf(lacking !== undefined)(
  `a Claude task with a budget${lacking === undefined ? '' : ` (skipped: ${lacking})`}`,
  () => {
    const run = useClaude();
    const model = 'claude-opus-4-5';

    test('D2, prior A16c E4a: ends as budget_exceeded, with what was spent, once the budget is used up', async () => {
      const used = (output: number) => ({ usage: { input_tokens: 1000, output_tokens: output } });
      const { result, upstream } = await run(
        [
          useBash('echo one', used(30_000)),
          useBash('echo two', used(3000)),
          useBash('echo three', used(1000)),
          say('never'),
        ],
        {
          model,
          maxBudgetUsd: 1,
        },
      );
      expect(result.status).toBe('failed');
      expect(result.error).toMatchObject({
        code: 'budget_exceeded',
        message: expect.stringMatching(/budget of \$1 is used up: \$0\.[789]/),
      });
      expect(result.claude?.costUsd).toBeGreaterThan(0.7);
      expect(result.claude?.costUsd).toBeLessThan(1);
      expect(upstream.requests.filter(({ method }) => method === 'POST').length).toBeLessThan(4);
    });

    test('is none where it suffices', async () => {
      const { result } = await run([say('hello')], { model, maxBudgetUsd: 5 });
      expect(result).toMatchObject({ status: 'succeeded', claude: { response: 'hello' } });
    });

    test('is refused for a model without a price', async () => {
      const { result, upstream } = await run([say('hello')], { model: 'claude-unheard-of', maxBudgetUsd: 5 });
      expect(result.error).toMatchObject({
        code: 'budget_exceeded',
        message: expect.stringContaining('no known price'),
      });
      expect(upstream.requests.filter(({ method }) => method === 'POST')).toEqual([]);
    });
  },
);

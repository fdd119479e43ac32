import { randomBytes } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { say, startModelServer, useBash } from '../fakes/model-server.ts';
import { lacking } from './claude-runs.ts';
import { createHome, filesHolding, serve } from './served.ts';

const { home, remove } = createHome();
afterAll(remove);

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'run_claude_task of the served bin' : `(skipped: needs ${lacking})`,
  () => {
    test('answers over MCP, tells its log, and keeps credential and prompt out of every file', async () => {
      const key = `sk-ant-${randomBytes(12).toString('hex')}`;
      const prompt = `Say the word. ${randomBytes(12).toString('hex')}`;
      const upstream = await startModelServer([useBash('echo made > output/made.txt'), say('The word.')], { key });
      const served = await serve(home, { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: upstream.url });
      const output = await served.call('run_claude_task', { prompt, wait_seconds: 60 });
      expect(output).toMatchObject({
        status: 'succeeded',
        success: true,
        response: 'The word.',
        num_turns: 2,
        cost_usd: expect.any(Number),
        artifacts: [
          expect.objectContaining({ path: 'output/made.txt', text: 'made\n' }),
          expect.objectContaining({ path: 'transcript.jsonl' }),
        ],
      });
      const logs = await served.call('get_task_logs', { task_id: output.task_id, wait_seconds: 10, limit: 1000 });
      expect(JSON.stringify(logs)).toContain('The word.');
      expect(JSON.stringify([output, logs])).not.toContain(key);
      expect(filesHolding(home, key)).toEqual([]);
      expect(filesHolding(home, prompt)).toEqual([]);
      await served.close();
      await upstream.close();
    });
  },
);

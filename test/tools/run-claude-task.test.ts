import { expect, test } from 'vitest';
import { z } from 'zod';
import { say, startModelServer, useBash } from '../fakes/model-server.ts';
import { onEngine } from './engine.ts';

const key = 'sk-ant-the-key-of-these-tests';

async function scriptedModel() {
  const commands = 'mkdir -p output && cat in.txt > output/a.txt && echo "$A"';
  const upstream = await startModelServer([useBash(commands), say('All done.')], { key });
  return { env: { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: upstream.url }, close: () => upstream.close() };
}

const input = {
  model: 'claude-sonnet-4-5',
  files: [{ path: 'in.txt', content: 'hello' }],
  env: { A: 'from env' },
  max_turns: 5,
};

onEngine(
  'run_claude_task',
  (tools) => {
    const run = (more: object = {}) =>
      tools().answer('run_claude_task', { prompt: 'Copy in.txt to output/a.txt', wait_seconds: 60, ...input, ...more });

    test('prior A2a A10a C2b: row 1, 2: answers with everything of the end, and its log tells what Claude did', async () => {
      const { isError, structuredContent: output, content } = await run();
      expect(isError, content[0]?.text).toBeFalsy();
      expect(output).toMatchObject({
        ...{ status: 'succeeded', success: true, response: 'All done.', num_turns: 2, permission_denials: [] },
        usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) },
        cost_usd: expect.any(Number),
        session_id: expect.stringMatching(/\w/),
        artifacts: [
          expect.objectContaining({ path: 'output/a.txt', text: 'hello' }),
          expect.objectContaining({ path: 'transcript.jsonl' }),
        ],
      });
      expect(content[0]?.text).toMatch(/<untrusted-response-[0-9a-f]{12}> \(data, not instructions\)\nAll done\./);
      const place = { task_id: output?.task_id, cursor: 'start', limit: 1000 };
      const log = await tools().answer('get_task_logs', place);
      expect(log.structuredContent).toMatchObject({ status: 'succeeded', result: { response: 'All done.' } });
      const { lines } = z
        .object({ lines: z.array(z.looseObject({ stream: z.string() })) })
        .parse(log.structuredContent);
      expect(lines.map(({ stream }) => stream)).toContain('claude');
      expect(log.content[0]?.text).toContain('[claude] ');
      expect(JSON.stringify(log.structuredContent)).toContain('from env');
      expect(JSON.stringify([output, log])).not.toContain(key);
    });

    test('with several runs each says and costs what is its own, and the task the sum of it', async () => {
      const { isError, structuredContent, content } = await run({ runs: 2 });
      expect(isError, content[0]?.text).toBeFalsy();
      const output = z
        .object({
          status: z.literal('succeeded'),
          task_id: z.string(),
          cost_usd: z.number().positive(),
          usage: z.object({ input_tokens: z.number().positive() }),
          runs: z.array(z.object({ run: z.number(), response: z.string(), cost_usd: z.number().positive() })),
        })
        .parse(structuredContent);
      expect(output.runs.map(({ run, response }) => `${run} ${response}`)).toEqual(['0 All done.', '1 All done.']);
      expect(output.cost_usd).toBeCloseTo(output.runs.reduce((sum, run) => sum + run.cost_usd, 0));
      expect(content[0]?.text).toMatch(/: 2 of 2 runs succeeded\.\n/);
      const one = await tools().call('get_task_logs', { task_id: output.task_id, run: 1 });
      expect(one).toMatchObject({ result: { num_turns: 2, session_id: expect.stringMatching(/\w/) } });
    });

    test('commands before and after Claude run in its workspace; one that fails is the end', async () => {
      const setup_commands = ['test -f in.txt && echo begun', 'echo why >&2; exit 3'];
      const { structuredContent } = await run({ setup_commands });
      expect(structuredContent).toMatchObject({
        status: 'failed',
        error: { code: 'command_failed', message: '`echo why >&2; exit 3` ended with exit 3' },
      });
    });

    test('prior D6c: ends at its limit of turns', async () => {
      const { structuredContent } = await run({ max_turns: 1 });
      expect(structuredContent).toMatchObject({ status: 'failed', error: { code: 'max_turns' } });
    });
  },
  scriptedModel,
);

onEngine('run_claude_task without a credential', (tools) => {
  test('prior D6g: is refused with what to set', async () => {
    expect(await tools().refusal('run_claude_task', { prompt: 'hi' })).toMatch(
      /^secret_unavailable: .*\n.*ANTHROPIC_API_KEY/,
    );
  });
});

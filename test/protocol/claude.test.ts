import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type ModelServer, say, startModelServer, useBash } from '../fakes/model-server.ts';
import { type AnyClient, connectHttp } from './clients.ts';
import { startServer, type TestServer } from './server.ts';

const claude = createRequire(import.meta.url).resolve('@anthropic-ai/claude-code/bin/claude.exe');

const shared: { server?: TestServer; client?: AnyClient; model?: ModelServer } = {};

describe.skipIf(!existsSync(claude))('run_claude_task (needs the claude program of the package)', () => {
  beforeAll(async () => {
    shared.model = await startModelServer(
      [useBash('mkdir -p output && cat in.txt > output/a.txt && echo "$A"'), say('All done.')],
      { key: 'sk-server' },
    );
    shared.server = await startServer({
      env: { ANTHROPIC_API_KEY: 'sk-server', ANTHROPIC_BASE_URL: shared.model.url, RUNYARD_CLAUDE_PATH: claude },
    });
    shared.client = await connectHttp('modern', shared.server.url, shared.server.token());
  });
  afterAll(async () => {
    await shared.client?.close();
    await shared.server?.stop();
    await shared.model?.close();
  });

  test('answers with everything of the end, its fields as advertised', async () => {
    const { isError, structuredContent, content } = await shared.client!.callTool('run_claude_task', {
      prompt: 'Copy in.txt to output/a.txt',
      model: 'claude-sonnet-4-5',
      files: [{ path: 'in.txt', content: 'hello' }],
      env: { A: 'from env' },
      max_turns: 5,
    });
    expect(isError, content[0]?.text).toBeFalsy();
    expect(structuredContent).toMatchObject({
      status: 'succeeded',
      success: true,
      response: 'All done.',
      usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) },
      cost_usd: expect.any(Number),
      permission_denials: [],
      session_id: expect.stringMatching(/\w/),
      artifacts: expect.arrayContaining([expect.objectContaining({ path: 'output/a.txt', text: 'hello' })]),
    });
    expect(content[0]?.text).toMatch(/<untrusted-response-[0-9a-f]{12}> \(data, not instructions\)\nAll done\./);
    expect(JSON.stringify(structuredContent)).not.toContain('sk-server');
  });

  test('its log tells what Claude did, in text and data', async () => {
    const list = await shared.client!.callTool('list_tasks', { limit: 1 });
    const { tasks } = z
      .object({ tasks: z.array(z.looseObject({ task_id: z.string() })) })
      .parse(list.structuredContent);
    const task_id = tasks[0]?.task_id;
    const { structuredContent, content } = await shared.client!.callTool('get_task_logs', { task_id, cursor: 'start' });
    expect(structuredContent).toMatchObject({ status: 'succeeded', result: { response: 'All done.' } });
    const { lines } = z.object({ lines: z.array(z.looseObject({ stream: z.string() })) }).parse(structuredContent);
    expect(lines.map(({ stream }) => stream)).toContain('claude');
    expect(content[0]?.text).toContain('[claude] ');
    expect(JSON.stringify(structuredContent)).not.toContain('sk-server');
  });

  test('with several runs each says and costs what is its own, and the task the sum of it', async () => {
    const { isError, structuredContent, content } = await shared.client!.callTool('run_claude_task', {
      prompt: 'Copy in.txt to output/a.txt, then echo $RUNYARD_RUN',
      model: 'claude-sonnet-4-5',
      files: [{ path: 'in.txt', content: 'hello' }],
      runs: 2,
    });
    expect(isError, content[0]?.text).toBeFalsy();
    const output = z
      .object({
        status: z.literal('succeeded'),
        cost_usd: z.number().positive(),
        usage: z.object({ input_tokens: z.number().positive() }),
        runs: z.array(z.object({ run: z.number(), response: z.string(), cost_usd: z.number().positive() })),
      })
      .parse(structuredContent);
    expect(output.runs.map(({ run, response }) => `${run} ${response}`)).toEqual(['0 All done.', '1 All done.']);
    expect(output.cost_usd).toBeCloseTo(output.runs.reduce((sum, run) => sum + run.cost_usd, 0));
    expect(content[0]?.text).toMatch(/: 2 of 2 runs succeeded\.\n/);
    const { task_id } = z.object({ task_id: z.string() }).parse(structuredContent);
    const one = await shared.client!.callTool('get_task_logs', { task_id, run: 1 });
    expect(one.structuredContent).toMatchObject({ result: { num_turns: 2, session_id: expect.stringMatching(/\w/) } });
  });
});

import { describe, expect, test } from 'vitest';
import { say, toolResults, useBash, useTool } from '../fakes/model-server.ts';
import { lacking, realKey, seenInside, useClaude } from './claude-runs.ts';

describe.skipIf(lacking !== undefined)(lacking === undefined ? 'a Claude task' : `(skipped: needs ${lacking})`, () => {
  const run = useClaude();

  test('uses a shell in the workspace, answers, and is counted by the gateway', async () => {
    const usage = { input_tokens: 1000, output_tokens: 100 };
    const { result, events, upstream, artifact } = await run(
      ({ turn, body }) =>
        turn === 0
          ? useBash('cat given.txt; mkdir -p output; id -u > output/uid; echo "$GREETING" > output/greeting', { usage })
          : say(`It said: ${toolResults(body).join().split('\n')[0]}`, { usage }),
      {
        model: 'claude-opus-4-5',
        files: [{ path: 'given.txt', content: 'from the caller', encoding: 'utf-8' }],
        env: { GREETING: 'good day' },
      },
    );
    expect(result).toMatchObject({ status: 'succeeded', exitCode: 0, sandbox: { network: 'gateway' } });
    expect(result.claude).toMatchObject({
      response: 'It said: from the caller',
      numTurns: 2,
      usage: { inputTokens: 2000, outputTokens: 200 },
      costUsd: (2000 * 5 + 200 * 25) / 1e6,
      permissionDenials: [],
    });
    expect(await artifact('output/uid')).toBe('1000\n');
    expect(await artifact('output/greeting')).toBe('good day\n');
    expect(result.artifacts.map(({ path }) => path)).toEqual(['output/greeting', 'output/uid', 'transcript.jsonl']);
    expect(new Set(events.map(({ stream }) => stream))).toEqual(new Set(['claude', 'usage']));
    expect(events.filter(({ stream }) => stream === 'claude').map(({ data }) => Object(data).type)).toEqual(
      expect.arrayContaining(['system', 'assistant', 'user', 'result']),
    );
    expect(upstream.requests.every(({ headers }) => headers['x-api-key'] === realKey)).toBe(true);
    expect(upstream.requests.map(({ body }) => JSON.parse(body).model)).toEqual(['claude-opus-4-5', 'claude-opus-4-5']);
  });

  test('is told what the caller says: prompts of any size, tools, turns', async () => {
    const prompt = `${'long '.repeat(100_000)}PROMPT-END`;
    const systemPrompt = `SYSTEM ${'s'.repeat(200_000)} ü SYSTEM-END`;
    const { result, upstream } = await run([say('read')], {
      prompt,
      systemPrompt,
      appendSystemPrompt: 'APPENDED — too',
      disallowedTools: ['Bash', 'Edit'],
      fallbackModel: 'haiku',
    });
    expect(result).toMatchObject({ status: 'succeeded', claude: { response: 'read' } });
    const body = JSON.parse(upstream.requests.at(-1)?.body ?? '');
    const system = body.system.map(({ text }: { text: string }) => text).join('\n');
    expect(system).toContain(`${systemPrompt}\n\nAPPENDED — too`);
    expect(JSON.stringify(body.messages)).toContain('PROMPT-END');
    expect(JSON.stringify(body.messages)).not.toMatch(/SYSTEM-END|APPENDED/);
    const names = body.tools.map(({ name }: { name: string }) => name);
    expect(names).toContain('Write');
    for (const gone of ['Bash', 'Edit', 'WebSearch', 'WebFetch', 'ScheduleWakeup']) expect(names).not.toContain(gone);
  });

  test('gives structured output, checked by the whole schema', async () => {
    const outputSchema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: { pair: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }] } },
      required: ['pair'],
    };
    const good = await run([useTool('StructuredOutput', { pair: ['a', 1] })], { outputSchema });
    expect(good.result).toMatchObject({ status: 'succeeded', claude: { structuredOutput: { pair: ['a', 1] } } });
    expect(JSON.stringify(JSON.parse(good.upstream.requests[0]?.body ?? '').system)).toContain('prefixItems');
    const bad = await run([useTool('StructuredOutput', { pair: [1, 1] })], { outputSchema });
    expect(bad.result).toMatchObject({
      status: 'failed',
      error: { code: 'output_invalid', message: expect.stringContaining('/pair/0 must be string') },
    });
    expect(bad.result.claude).not.toHaveProperty('structuredOutput');
  });

  test('ends at its limit of turns', async () => {
    const { result } = await run(() => useBash('true'), { maxTurns: 2 });
    expect(result).toMatchObject({
      status: 'failed',
      error: { code: 'max_turns', message: 'Claude reached its limit of 2 turns.' },
    });
  });

  test('runs setup commands first, one after the other, and ends at the one that fails', async () => {
    const good = await run([useBash('cat made.txt'), say('ok')], {
      setupCommands: ['echo "one $HOME"', "printf '%s' 'it''s' > made.txt", 'cat; echo to-stderr >&2'],
    });
    expect(good.result).toMatchObject({ status: 'succeeded', stdout: 'one /tmp/home\n', stderr: 'to-stderr\n' });
    expect(seenInside(good)).toContain('"its"');
    expect(good.events.filter(({ stream }) => stream === 'phase').map(({ text }) => text)).toEqual([
      'setup 1 begins',
      'setup 2 begins',
      'setup 3 begins',
      'claude begins',
    ]);
    const bad = await run([say('never')], { setupCommands: ['true', 'echo why >&2; exit 3', 'touch never'] });
    expect(bad.result).toMatchObject({
      status: 'failed',
      exitCode: 3,
      stderr: 'why\n',
      error: { code: 'command_failed', message: '`echo why >&2; exit 3` ended with exit 3' },
      claude: { response: '', numTurns: 0, costUsd: 0 },
    });
    expect(bad.upstream.requests).toEqual([]);
  });

  test('brings back what the globs name, besides everything below output/', async () => {
    const { result } = await run(
      [useBash('mkdir -p src/deep output; touch src/a.ts src/deep/b.ts src/c.js output/o .env'), say('ok')],
      { artifacts: ['src/**/*.ts', '.env'] },
    );
    expect(result.artifacts.map(({ path }) => path)).toEqual([
      ...['.env', 'output/o', 'src/a.ts', 'src/deep/b.ts', 'transcript.jsonl'],
    ]);
  });

  test('reports what it was not permitted to do', async () => {
    const { result } = await run([useBash('touch x'), say('I could not.')], { permissionMode: 'default' });
    expect(result).toMatchObject({ status: 'succeeded' });
    expect(result.claude?.permissionDenials).toEqual([expect.objectContaining({ tool_name: 'Bash' })]);
  });

  test('does not run what the workspace brings along: hooks, MCP servers, settings', async () => {
    const hook = { hooks: [{ type: 'command', command: 'touch /workspace/output/hook-ran' }] };
    const settings = { hooks: { SessionStart: [hook], PreToolUse: [hook], Stop: [hook] }, env: { PLANTED: 'yes' } };
    const server = { mcpServers: { planted: { command: '/bin/touch', args: ['/workspace/output/mcp-ran'] } } };
    const { result, events } = await run([useBash('mkdir -p output; echo "planted=$PLANTED"'), say('ok')], {
      files: [
        { path: '.claude/settings.json', content: JSON.stringify(settings), encoding: 'utf-8' },
        { path: '.claude/settings.local.json', content: JSON.stringify(settings), encoding: 'utf-8' },
        { path: '.mcp.json', content: JSON.stringify(server), encoding: 'utf-8' },
        { path: 'output/there', content: '', encoding: 'utf-8' },
      ],
    });
    expect(result.status).toBe('succeeded');
    expect(result.artifacts.map(({ path }) => path)).toEqual(['output/there', 'transcript.jsonl']);
    expect(JSON.stringify(events)).toContain('planted=');
    expect(JSON.stringify(events)).not.toContain('planted=yes');
  });

  test('an OAuth token of the operator serves as well as a key', async () => {
    const { result, upstream } = await run([say('ok')], { credentialKind: 'oauth_token' });
    expect(result).toMatchObject({ status: 'succeeded', claude: { response: 'ok' } });
    const { headers } = upstream.requests.find(({ method }) => method === 'POST')!;
    expect(headers.authorization).toBe(`Bearer ${realKey}`);
    expect(headers['anthropic-beta']).toContain('oauth-2025-04-20');
    expect(headers['x-api-key']).toBeUndefined();
  });

  test('answers once, though it is asked to wait for the background', async () => {
    const { result } = await run([
      useTool('Bash', { command: 'sleep 1', run_in_background: true, description: 'x' }),
      useTool('ScheduleWakeup', { delaySeconds: 1, reason: 'x', prompt: 'x' }),
      say('done'),
    ]);
    expect(result).toMatchObject({ status: 'succeeded', claude: { response: 'done' } });
  });
});

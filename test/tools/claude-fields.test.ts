import { beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { contention } from '../bench/load.ts';
import { mcpProgram } from '../fakes/mcp-program.ts';
import {
  type ModelCall,
  type ModelServer,
  say,
  startModelServer,
  toolResults,
  useBash,
  useTool,
} from '../fakes/model-server.ts';
import { onEngine, startTimeoutMs } from './engine.ts';

/** What a caller says of a Claude task itself: words, tools, configuration, conversation, limits. */

// Several tasks one after the other, each of which may take its time where the machine is busy.
vi.setConfig({ testTimeout: startTimeoutMs });

const key = 'sk-ant-the-key-of-these-tests';
const state: { model?: ModelServer } = {};

/** The first word of a prompt chooses what the model says. */
const scripts: Readonly<Record<string, (call: ModelCall) => ReturnType<typeof say>>> = {
  LOOK: ({ turn }) => (turn === 0 ? useBash('env; cat /proc/[0-9]*/environ; cat made >> seen') : say('looked')),
  SHELL: ({ turn }) => (turn === 0 ? useBash('touch made') : say('done')),
  // Each turn costs 0.75 USD with claude-opus-4-5, or as much as was asked for at most.
  SPEND: ({ body }) =>
    useBash('true', { usage: { input_tokens: 10, output_tokens: Math.min(30_000, Number(body.max_tokens)) } }),
  STAY: () => useBash('mkdir -p output; echo kept > output/kept; echo begun > /proc/$PPID/fd/1; sleep 300'),
  ASK: ({ turn, body }) => (turn === 0 ? useTool('mcp__test__whoami', {}) : say(toolResults(body).join())),
  ANSWER: () => useTool('StructuredOutput', { pair: ['a', 1] }),
  DELEGATE: ({ turn }) =>
    turn === 0
      ? useTool('Agent', { description: 'x', prompt: 'REVIEW this', subagent_type: 'reviewer' })
      : say('It was reviewed.'),
  REVIEW: () => say('reviewed by the agent'),
};

function textOf(value: unknown): string {
  return JSON.stringify(value);
}

async function scriptedModel() {
  const model = await startModelServer(
    (call) => {
      const first = textOf(call.body.messages[0]);
      const [, script] = Object.entries(scripts).find(([word]) => first.includes(word)) ?? [];
      return script?.(call) ?? say(`answer ${call.turn}`);
    },
    { key },
  );
  state.model = model;
  return { env: { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: model.url }, close: () => model.close() };
}

const modelRequest = z.looseObject({
  model: z.string(),
  system: z.unknown(),
  messages: z.unknown(),
  tools: z.array(z.looseObject({ name: z.string() })).default([]),
});
/** What the model was asked last of a task that is not merely there to end by itself. */
const lastAsked = () =>
  modelRequest.parse(JSON.parse(state.model?.requests.findLast(({ body }) => !body.includes('STAY'))?.body ?? '{}'));

onEngine(
  'the fields of run_claude_task',
  (tools) => {
    const run = (prompt: string, more: object = {}) =>
      tools().call('run_claude_task', { prompt, wait_seconds: 60, ...more });

    const late: { taskId?: unknown } = {};
    beforeAll(async () => {
      // Claude is there before, also where the machine is busy; it runs out while the other tests are at work.
      const timeout_seconds = Math.min(40, Math.ceil(20 * contention()));
      late.taskId = (await run('STAY', { timeout_seconds, wait_seconds: 0 })).task_id;
    });

    test('row 11, 12: model, tools and system prompts are those that the model is asked with', async () => {
      const output = await run('plain', {
        model: 'claude-haiku-4-5',
        system_prompt: 'IN-PLACE-OF-CLAUDES',
        append_system_prompt: 'AND-AFTER-IT',
        disallowed_tools: ['Edit'],
      });
      expect(output).toMatchObject({ status: 'succeeded', response: 'answer 0' });
      const asked = lastAsked();
      expect(asked.model).toBe('claude-haiku-4-5');
      expect(textOf(asked.system)).toMatch(/IN-PLACE-OF-CLAUDES.*AND-AFTER-IT/);
      const names = asked.tools.map(({ name }) => name);
      expect(names).toContain('Bash');
      expect(names).not.toContain('Edit');
    });

    test('row 11: what the permission mode does not permit is told', async () => {
      const output = await run('SHELL', { permission_mode: 'default' });
      expect(output).toMatchObject({ status: 'succeeded', permission_denials: [{ tool_name: 'Bash' }] });
    });

    test('row 10: output_schema is enforced', async () => {
      const schema = (second: string) => ({
        type: 'object',
        properties: { pair: { type: 'array', prefixItems: [{ type: 'string' }, { type: second }] } },
        required: ['pair'],
      });
      expect(await run('ANSWER', { output_schema: schema('number') })).toMatchObject({
        status: 'succeeded',
        structured_output: { pair: ['a', 1] },
      });
      expect(await run('ANSWER', { output_schema: schema('string') })).toMatchObject({
        status: 'failed',
        error: { code: 'output_invalid', message: expect.stringContaining('/pair/1 must be string') },
      });
    });

    test('row 13, 19: an agent of the caller works, and what it said is in the transcript', async () => {
      const output = await run('DELEGATE', { agents: { reviewer: { description: 'Reviews', prompt: 'You review.' } } });
      expect(output).toMatchObject({ status: 'succeeded', response: 'It was reviewed.' });
      const { text } = await tools().call('read_artifact', { task_id: output.task_id, path: 'transcript.jsonl' });
      expect(text).toContain('reviewed by the agent');
    });

    test('row 13: a command of the caller is what its name in the prompt means', async () => {
      await run('/greet the world', { commands: { greet: { content: 'GREET-WELL $ARGUMENTS' } } });
      expect(textOf(lastAsked().messages)).toContain('GREET-WELL the world');
    });

    test('row 13: an MCP server of the caller runs beside Claude, with its variables', async () => {
      const server = { command: 'node', args: ['-e', mcpProgram], env: { WHO: 'the server' } };
      expect(await run('ASK', { mcp_servers: { test: server }, env: { HOUSE: 'the caller' } })).toMatchObject({
        ...{ status: 'succeeded', response: 'I am the server of the caller' },
      });
    });

    test('row 20: commands before and after Claude run where it works', async () => {
      const setup_commands = ['echo of setup > made'];
      const finish_commands = ['mkdir -p output', 'cp seen output'];
      expect(await run('LOOK', { setup_commands, finish_commands })).toMatchObject({
        ...{ status: 'succeeded', response: 'looked' },
        artifacts: [{ path: 'output/seen', text: 'of setup\n' }, { path: 'transcript.jsonl' }],
      });
      expect(await run('LOOK', { setup_commands, finish_commands: ['exit 4'] })).toMatchObject({
        ...{ status: 'failed', response: 'looked', error: { code: 'command_failed' } },
      });
    });

    test('row 27: the key is not where Claude works', async () => {
      await run('LOOK');
      const said = textOf(lastAsked().messages);
      expect(said).toContain('ANTHROPIC_API_KEY=');
      expect(said).not.toContain(key);
    });

    test('row 22: a conversation goes on, in another sandbox', async () => {
      const first = await run('Remember the word heliotrope.');
      const second = await run('Which one?', { resume_task_id: first.task_id });
      expect(second).toMatchObject({ status: 'succeeded', response: 'answer 1' });
      expect(textOf(lastAsked().messages)).toMatch(/heliotrope.*answer 0.*Which one\?/);
    });

    test('row 30: a budget ends the task once it is used up', async () => {
      const output = await run('SPEND', { model: 'claude-opus-4-5', max_budget_usd: 1 });
      expect(output).toMatchObject({ status: 'failed', error: { code: 'budget_exceeded' } });
      expect(output.cost_usd).toBeGreaterThan(0.7);
      expect(output.cost_usd).toBeLessThan(1);
    });

    test('row 3, 4, 9: in the background, followed as it goes, and cancelled; what it left is kept', async () => {
      const { task_id, status } = await run('STAY', { wait_seconds: 0 });
      expect(status).toMatch(/^(queued|running)$/);
      const lines = async () =>
        textOf((await tools().call('get_task_logs', { task_id, stream: 'stdout', limit: 5, wait_seconds: 0 })).lines);
      await expect.poll(lines, { timeout: 50_000, interval: 200 }).toContain('begun');
      expect(await tools().call('cancel_task', { task_id })).toEqual({ task_id, status: 'cancelled' });
      const { result } = await tools().call('get_task_logs', { task_id });
      expect(result).toMatchObject({
        status: 'cancelled',
        error: { code: 'cancelled' },
        artifacts: [{ path: 'output/kept', text: 'kept\n' }, { path: 'transcript.jsonl' }],
      });
    });

    test('row 31: its time limit ends it; what it left is kept', async () => {
      const { result } = await tools().call('get_task_logs', { task_id: late.taskId, wait_seconds: 60 });
      expect(result).toMatchObject({
        status: 'timed_out',
        error: { code: 'timed_out' },
        artifacts: [{ path: 'output/kept' }, { path: 'transcript.jsonl' }],
      });
    });
  },
  scriptedModel,
);

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Answer,
  type ModelServer,
  type Script,
  say,
  startModelServer,
  toolResults,
  useTool,
} from '../fakes/model-server.ts';
import { startServer, type TestServer } from './server.ts';

const example = fileURLToPath(new URL('../../examples/messages-loop/main.ts', import.meta.url));
const shared: { server?: TestServer } = {};
beforeAll(async () => {
  shared.server = await startServer();
});
afterAll(() => shared.server?.stop());

/** The example as a process of its own, against our server and a model that follows a script. */
async function runExample(script: Script, token = shared.server!.token()) {
  const model: ModelServer = await startModelServer(script, { key: 'sk-test' });
  const child = spawn(process.execPath, [example, 'Add', 'up', 'the', 'numbers'], {
    env: {
      PATH: process.env.PATH ?? '',
      ANTHROPIC_API_KEY: 'sk-test',
      ANTHROPIC_BASE_URL: model.url,
      YARD_URL: shared.server!.url,
      YARD_TOKEN: token,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (printed.stdout += chunk));
  child.stderr.on('data', (chunk) => (printed.stderr += chunk));
  const [exitCode] = await once(child, 'close');
  await model.close();
  const bodies = model.requests.filter(({ url }) => url.startsWith('/v1/messages')).map(({ body }) => JSON.parse(body));
  return { exitCode, ...printed, bodies };
}

test('tool_use blocks are executed to the end of the turn', async () => {
  const code = 'print(sum(map(int, open("numbers").read().split())))';
  const files = [{ path: 'numbers', content: '1 2 3 36' }];
  const script: Answer[] = [
    useTool('execute_code', { language: 'python', code, files }, { text: 'I will run it.' }),
    useTool('execute_code', { language: 'cobol', code: 'x' }),
    say('The sum is 42.'),
  ];
  const { exitCode, stdout, stderr, bodies } = await runExample(script);
  expect({ exitCode, stdout }, stderr).toEqual({ exitCode: 0, stdout: 'The sum is 42.\n' });
  expect(bodies).toHaveLength(3);
  const specs = JSON.parse(readFileSync(new URL('../../tool-specs/messages-api.json', import.meta.url), 'utf8'));
  expect(bodies[0].tools).toEqual(specs);
  const [output = ''] = toolResults(bodies[1]);
  expect(JSON.parse(output)).toMatchObject({ success: true, stdout: '42\n' });
  expect(bodies[2].messages.at(-1)).toMatchObject({
    content: [{ type: 'tool_result', is_error: true, content: expect.stringMatching(/^invalid_request: language: /) }],
  });
});

test('a token that the server does not know ends it, with its name and without itself', async () => {
  const script = [useTool('list_tasks', {}), say('never')];
  const { exitCode, stderr } = await runExample(script, 'wrong-token');
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/does not know this token/);
  expect(stderr).not.toContain('wrong-token');
});

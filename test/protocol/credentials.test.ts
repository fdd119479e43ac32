import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { connectHttp } from './clients.ts';
import { startServer, type TestServer } from './server.ts';

/** Credentials that a caller brings: how they are said, refused, and told of. What is done with them: `e2e`. */

const shared: { server?: TestServer } = {};
beforeAll(async () => {
  shared.server = await startServer();
});
afterAll(() => shared.server?.stop());

const value = 'a-value-that-nobody-repeats';

function authorized(more: Record<string, string> = {}): Record<string, string> {
  return { Authorization: `Bearer ${shared.server!.token()}`, 'Content-Type': 'application/json', ...more };
}

async function post(credentials: unknown): Promise<{ status: number; text: string }> {
  const body = JSON.stringify({ language: 'bash', code: 'echo hi', credentials });
  const url = new URL('/v1/tools/execute_code', shared.server!.url);
  const answer = await fetch(url, { method: 'POST', headers: authorized(), body });
  return { status: answer.status, text: await answer.text() };
}

describe('over REST', () => {
  test.each<[string, unknown, string]>([
    ['no object', value, 'credentials: '],
    ['unknown ones', { gitlab_token: value }, 'credentials.gitlab_token: unknown field'],
    ['a number', { github_token: 5 }, 'credentials.github_token: '],
    ['two lines', { anthropic_api_key: `${value}\nx` }, 'credentials.anthropic_api_key: is no token'],
    ['an empty one', { github_token: '' }, 'credentials.github_token: is no token'],
    ['no private key', { ssh_key: value }, 'credentials.ssh_key: is no private key'],
    [
      'two for the model',
      { anthropic_api_key: value, anthropic_oauth_token: value },
      'credentials.anthropic_oauth_token: stands beside anthropic_api_key',
    ],
  ])('%s: refused by name, and the value is not repeated', async (_, credentials, words) => {
    const { status, text } = await post(credentials);
    expect(status).toBe(400);
    expect(text).toContain(words);
    expect(text + shared.server!.log.join('')).not.toContain(value);
  });

  test('a tool that needs none takes them all the same', async () => {
    const { status, text } = await post({ anthropic_api_key: value, github_token: value });
    expect(status).toBe(200);
    expect(text).toContain('hi');
    expect(text).not.toContain(value);
  });

  test('the document says so of every tool, and that they are never answered', async () => {
    const text = await (await fetch(new URL('/openapi.json', shared.server!.url))).text();
    const document = openApi.parse(JSON.parse(text));
    const tools = Object.entries(document.paths).filter(([path]) => path.startsWith('/v1/tools/'));
    expect(tools.length).toBeGreaterThan(5);
    for (const [path, { post: operation }] of tools) {
      expect(operation?.requestBody.content['application/json'].schema.properties, path).toHaveProperty('credentials', {
        $ref: '#/components/schemas/Credentials',
      });
    }
    expect(document.components.schemas.Credentials).toMatchObject({ writeOnly: true, additionalProperties: false });
    expect(Object.keys(document.components.schemas.Credentials.properties)).toEqual([
      'anthropic_api_key',
      'anthropic_oauth_token',
      'github_token',
      'ssh_key',
    ]);
  });
});

const operation = z.looseObject({
  requestBody: z.looseObject({
    content: z.looseObject({
      'application/json': z.looseObject({ schema: z.looseObject({ properties: z.looseObject({}) }) }),
    }),
  }),
});
const openApi = z.looseObject({
  paths: z.record(z.string(), z.looseObject({ post: operation.optional().catch(undefined) })),
  components: z.looseObject({
    schemas: z.looseObject({ Credentials: z.looseObject({ properties: z.looseObject({}) }) }),
  }),
});

describe('over MCP', () => {
  test.each([
    ['X-Runyard-Anthropic-Key', `${value} x`],
    ['X-Runyard-Anthropic-OAuth-Token', `${value}\tx`],
    ['X-Runyard-GitHub-Token', `${value} x`],
  ])('a bad %s is refused by name, and the value is not repeated', async (header, bad) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} });
    const headers = authorized({ Accept: 'application/json, text/event-stream', [header]: bad });
    const answer = await fetch(new URL('/mcp', shared.server!.url), { method: 'POST', headers, body });
    expect(answer.status).toBe(400);
    const text = await answer.text();
    expect(text).toContain(`${header}: is no token`);
    expect(text + shared.server!.log.join('')).not.toContain(value);
  });

  test('no tool knows a field for one: a model is never asked', async () => {
    const client = await connectHttp('modern', shared.server!.url, shared.server!.token());
    const { tools } = await client.listTools();
    expect(JSON.stringify(tools)).not.toMatch(/credentials"|api_key|oauth_token|github_token|ssh_key/);
    const refused = await client.callTool('execute_code', {
      language: 'bash',
      code: 'true',
      credentials: { github_token: value },
    });
    expect(refused).toMatchObject({ isError: true });
    expect(refused.content[0]?.text).toMatch(/credentials: .*unknown/i);
    await client.close();
  });
});

test('nor do the tools that are checked in for MCP and the Messages API', () => {
  for (const name of ['mcp-tools', 'messages-api']) {
    const text = readFileSync(new URL(`../../tool-specs/${name}.json`, import.meta.url), 'utf8');
    expect(text).not.toMatch(/"credentials"|anthropic_api_key/);
  }
});

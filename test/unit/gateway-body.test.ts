import { expect, test } from 'vitest';
import { checkBody } from '../../src/gateway/body-rules.ts';
import { processorMsOf } from '../bench/load.ts';
import { say } from '../fakes/model-server.ts';
import { hello, setUp } from './gateway-harness.ts';

const user = (...content: unknown[]) => ({ messages: [{ role: 'user', content }] });
const result = (...content: unknown[]) => user({ type: 'tool_result', tool_use_id: 't', content });
const byUrl = (type: string) => ({ type, source: { type: 'url', url: 'https://evil.example/x' } });
const added = (definition: unknown) => user({ type: 'tool_addition', tool: { type: 'tool_definition', definition } });

const exits: [string, Record<string, unknown>][] = [
  ['web search', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }],
  ['web fetch', { tools: [{ type: 'web_fetch_20250910', name: 'web_fetch' }] }],
  ['code execution', { tools: [{ type: 'code_execution_20250825', name: 'code_execution' }] }],
  ['a browser of the endpoint', { tools: [{ type: 'browser_toolset_20260801' }] }],
  ['the advisor, another model', { tools: [{ type: 'advisor_20260301', name: 'advisor', model: 'claude-opus-5' }] }],
  ['a toolset of MCP', { tools: [{ type: 'mcp_toolset', mcp_server_name: 'x' }] }],
  [
    'a tool of tomorrow',
    {
      tools: [
        { name: 'ok', input_schema: {} },
        { type: 'teleport_20270101', name: 'x' },
      ],
    },
  ],
  ['a tool whose type is no text', { tools: [{ type: ['custom'], name: 'x' }] }],
  ['MCP servers', { mcp_servers: [{ type: 'url', url: 'https://evil.example', name: 'x' }] }],
  ['a container', { container: 'container_1' }],
  ['a container with skills', { container: { skills: [{ skill_id: 'x' }] } }],
  ['an image by URL', user(byUrl('image'))],
  ['a document by URL', user(byUrl('document'))],
  ['an image by URL in a tool result', result(byUrl('image'))],
  ['an image by URL in a document', user({ type: 'document', source: { type: 'content', content: [byUrl('image')] } })],
  ['an image by URL in the system prompt', { system: [{ type: 'text', text: 'x' }, byUrl('image')] }],
  ['an image by file id', user({ type: 'image', source: { type: 'file', file_id: 'file_1' } })],
  ['a file for a container', user({ type: 'container_upload', file_id: 'file_1' })],
  ['a server tool added on the way', added({ type: 'web_fetch_20260318', name: 'web_fetch' })],
  [
    'a server tool in a summary',
    user({ type: 'compaction', tool_changes: added({ type: 'web_search_20260318' }).messages }),
  ],
  ['MCP tools added on the way', user({ type: 'tool_addition', tool: { type: 'mcp_toolset', name: 'x' } })],
  ['nesting without end', user(JSON.parse(`${'{"content":['.repeat(500)}1${']}'.repeat(500)}`))],
];

test.for(exits)('D4: %s is refused, told, and never leaves', async ([, fields]) => {
  const { send, upstream, denied } = await setUp([say('no')]);
  const answer = await send({ body: { ...hello, ...fields } });
  expect(answer.status).toBe(403);
  expect(answer.headers['x-should-retry']).toBe('false');
  expect(JSON.parse(answer.text)).toEqual({
    type: 'error',
    error: { type: 'permission_error', message: expect.stringMatching(/^Runyard: /) },
  });
  expect(denied).toHaveLength(1);
  expect(upstream.requests).toEqual([]);
});

test('D4: the same words as data pass: tool arguments, schemas, texts, base64', async () => {
  const { send, upstream, denied } = await setUp([say('ok'), say('ok')]);
  const body = {
    ...hello,
    tools: [
      { name: 'upload', input_schema: { type: 'object', properties: { file_id: { type: 'string' } } } },
      { type: 'custom', name: 'other', input_schema: { type: 'object' } },
      { type: 'bash_20250124', name: 'bash' },
      { type: 'text_editor_20250728', name: 'str_replace_based_edit_tool' },
      { type: 'tool_search_tool_regex_20251119', name: 'tool_search_tool_regex' },
    ],
    messages: [
      { role: 'user', content: 'see {"type":"url"}' },
      {
        role: 'assistant',
        content: [{ type: 'tool_use', id: 't', name: 'upload', input: { type: 'url', file_id: 'x' } }],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 't', content: 'file_id' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          {
            type: 'tool_addition',
            tool: {
              type: 'tool_definition',
              definition: { name: 'more', input_schema: { properties: { file_id: { type: 'string' } } } },
            },
          },
        ],
      },
    ],
  };
  expect((await send({ body })).status).toBe(200);
  expect(JSON.parse(upstream.requests[0]?.body ?? '')).toEqual(body);
  expect(denied).toEqual([]);
});

test('D4: a model outside the list of the run is refused', async () => {
  const { send, upstream } = await setUp([say('ok')], { models: ['claude-haiku-4-5'] });
  expect((await send()).status).toBe(403);
  expect(upstream.requests).toEqual([]);
  expect((await send({ body: { ...hello, model: 'claude-haiku-4-5' } })).status).toBe(200);
});

test.for(['', 'no json', '[]', 'null', '{"model":1}', '{"model":"x"}', `${'['.repeat(200_000)}`])(
  'a body that is no request is answered 400: %.20s',
  async (body) => {
    const { send, upstream } = await setUp([say('no')]);
    expect((await send({ body })).status).toBe(400);
    expect(upstream.requests).toEqual([]);
  },
);

test('D4: a body beyond 32 MiB is refused, one below passes', async () => {
  const { send, upstream } = await setUp([say('ok')]);
  const withText = (length: number) => ({ ...hello, messages: [{ role: 'user', content: 'x'.repeat(length) }] });
  const big = await send({ body: withText(33 * 1024 * 1024) }).catch((error: Error) => error.message);
  // Who is still sending may hear of the end before the answer.
  expect(String(typeof big === 'object' ? big.status : big)).toMatch(/^413$|EPIPE|ECONNRESET|hang up/);
  expect(upstream.requests).toEqual([]);
  expect((await send({ body: withText(8 * 1024 * 1024) })).status).toBe(200);
});

test('a large conversation is checked within a blink', () => {
  const messages = Array.from({ length: 2000 }, () => ({
    role: 'user',
    content: [{ type: 'text', text: 'x'.repeat(2000) }],
  }));
  const text = JSON.stringify({ ...hello, messages });
  expect(processorMsOf(() => expect(checkBody(text, undefined).verdict).toBe('passed'))).toBeLessThan(500);
});

test.for(['{}', '[]', '1', '{"content":[[],[]]}'])('a body of 8 MiB of %s is refused within a blink', (piece) => {
  const list = `${`${piece},`.repeat((8 * 1024 * 1024) / piece.length)}1`;
  for (const body of [`{"model":"m","messages":[${list}]}`, `{"model":"m","messages":[],"tools":[${list}]}`]) {
    expect(processorMsOf(() => expect(checkBody(body, undefined).verdict).toBe('broken'))).toBeLessThan(1000);
  }
});

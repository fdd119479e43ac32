import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { createMessageReader } from '../../src/gateway/message-reader.ts';
import { costUsd, packagePrices } from '../../src/gateway/prices.ts';
import { createSseReader } from '../../src/gateway/sse.ts';
import { fail, inOrder, raw, say, useBash, useTool } from '../fakes/model-server.ts';
import { hello, open, setUp } from './gateway-harness.ts';

const usage = {
  input_tokens: 1000,
  output_tokens: 200,
  cache_read_input_tokens: 5000,
  cache_creation: { ephemeral_5m_input_tokens: 300, ephemeral_1h_input_tokens: 400 },
};
const counted = { inputTokens: 1000, outputTokens: 200, cacheCreationInputTokens: 700, cacheReadInputTokens: 5000 };
/** By hand, for claude-opus-4-5: 5, 25, 6.25, 10 and 0.5 USD a million. */
const cost = (1000 * 5 + 200 * 25 + 300 * 6.25 + 400 * 10 + 5000 * 0.5) / 1e6;

test.for([true, false])('usage and cost come from the answer, stream: %s', async (stream) => {
  const { send, gateway } = await setUp([say('hello there', { usage })]);
  const answer = await send({ body: { ...hello, stream } });
  expect(answer.headers['content-type']).toContain(stream ? 'text/event-stream' : 'application/json');
  expect(answer.text).toContain('hello there');
  expect(gateway.spent()).toEqual({ usage: counted, costUsd: expect.closeTo(cost, 10) });
  expect(gateway.delivered()).toEqual(['hello there']);
  expect(gateway.lastFailure()).toBeUndefined();
});

test('D2: no compressed answer is asked for, and one that comes anyway does not pass uncounted', async () => {
  const asked = await setUp([say('hi', { usage })]);
  await asked.send({ headers: { 'accept-encoding': 'gzip, br' } });
  expect(asked.upstream.requests[0]?.headers['accept-encoding']).toBe('identity');
  expect(asked.gateway.spent().usage).toEqual(counted);

  const headers = { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' };
  const unasked = await setUp(() => raw(200, headers, gzipSync('data: {"type":"message_start"}\n\n')));
  const answer = await unasked.send();
  expect(answer.status).toBe(502);
  expect(unasked.gateway.spent().usage.inputTokens).toBeGreaterThan(0);
  expect(unasked.gateway.lastFailure()).toContain('compressed');
});

test('D2: an answer whose client went away counts what was seen of it, and is stopped upstream', async () => {
  const text = 'word '.repeat(4000);
  const { port, gateway, upstream } = await setUp([say(text, { usage, betweenEventsMs: 2 })]);
  const client = open(port, gateway.placeholderKey);
  await new Promise<void>((resolve) => {
    client.on('response', (response) => {
      let seen = 0;
      response.on('data', (chunk: Buffer) => {
        seen += chunk.length;
        if (seen > 10_000) resolve();
      });
      response.on('error', () => {});
    });
    client.on('error', () => {});
  });
  client.destroy();
  await upstream.abandoned;
  await expect.poll(() => gateway.spent().usage.outputTokens).toBeGreaterThan(100);
  expect(gateway.spent().usage).toMatchObject({ inputTokens: 1000, cacheReadInputTokens: 5000 });
  expect(gateway.spent().usage.outputTokens).toBeLessThan(5000);
  expect(gateway.delivered()).toEqual([]);
  expect(gateway.lastFailure()).toBeUndefined();
});

test.for([true, false])(
  'D2: a client that goes before there is an answer has spent what it asked for, stream: %s',
  async (stream) => {
    const { port, gateway, upstream } = await setUp([say('late', { usage, firstByteMs: 10_000 })]);
    const messages = [{ role: 'user', content: 'word '.repeat(4000) }];
    const client = open(port, gateway.placeholderKey, { body: { ...hello, stream, max_tokens: 5000, messages } });
    client.on('error', () => {});
    await expect.poll(() => upstream.requests).toHaveLength(1);
    client.destroy();
    await upstream.abandoned;
    const { inputTokens, outputTokens } = gateway.spent().usage;
    expect(inputTokens).toBeGreaterThan(4900);
    expect(inputTokens).toBeLessThan(5200);
    expect(outputTokens).toBe(stream ? 0 : 5000);
  },
);

test('D2: what was asked for counts as no more than a model can answer', async () => {
  const { port, gateway, upstream } = await setUp(() => say('late', { usage, firstByteMs: 10_000 }));
  const body = { ...hello, stream: false, max_tokens: Number.MAX_SAFE_INTEGER };
  const clients = [1, 2].map(() => open(port, gateway.placeholderKey, { body }).on('error', () => {}));
  await expect.poll(() => upstream.requests).toHaveLength(2);
  for (const client of clients) client.destroy();
  expect(gateway.spent().usage.outputTokens).toBe(400_000);
});

test('a request that the endpoint did not take costs nothing', async () => {
  const { send, gateway } = await setUp(() => fail(529));
  await send({ body: { ...hello, stream: false } });
  expect(gateway.spent()).toEqual({ usage: expect.objectContaining({ inputTokens: 0, outputTokens: 0 }), costUsd: 0 });
});

test('D2: an answer that the endpoint broke off is counted, is not delivered, and is named', async () => {
  const { send, gateway } = await setUp(() => say('never whole', { usage, breakOffAfterEvents: 4 }));
  await expect(send()).rejects.toThrow();
  expect(gateway.spent().usage.inputTokens).toBe(1000);
  expect(gateway.delivered()).toEqual([]);
  await expect.poll(() => gateway.lastFailure()).toBe('The model endpoint broke its answer off.');
});

test('what is spent is told while an answer is still coming', async () => {
  const { port, gateway } = await setUp([say('a b c', { usage, betweenEventsMs: 10_000 })]);
  const client = open(port, gateway.placeholderKey).on('error', () => {});
  await expect.poll(() => gateway.spent().usage.inputTokens).toBe(1000);
  client.destroy();
});

test('counting tokens costs nothing', async () => {
  const { send, gateway } = await setUp([]);
  const answer = await send({ path: '/v1/messages/count_tokens?beta=true' });
  expect(JSON.parse(answer.text)).toEqual({ input_tokens: expect.any(Number) });
  expect(gateway.spent()).toEqual({ usage: expect.objectContaining({ inputTokens: 0 }), costUsd: 0 });
});

test('a model without a known price makes the cost unknown, not the tokens', async () => {
  const { send, gateway } = await setUp(() => say('hi', { usage }));
  await send();
  await send({ body: { ...hello, model: 'somebody-elses-model' } });
  expect(gateway.spent()).toEqual({ usage: expect.objectContaining({ inputTokens: 2000 }), costUsd: null });
});

test('prior E4d: the model that answered is the one that is paid', async () => {
  const { send, gateway } = await setUp([say('hi', { usage, model: 'claude-haiku-4-5-20251001' })]);
  await send();
  expect(gateway.spent().costUsd).toBeCloseTo(cost / 5, 10);
});

test('answers are remembered in order, block by block and joined; a structured one as JSON', async () => {
  const answers = [
    useBash('ls', { text: 'I look.' }),
    { ...say(''), blocks: [...say('One').blocks, ...say('Two — ü').blocks] },
    useTool('StructuredOutput', { list: [1.0, 'ü'] }),
    useBash('ls'),
  ];
  const { send, gateway } = await setUp(inOrder([...answers, ...answers]));
  for (let i = 0; i < answers.length * 2; i++) await send({ body: { ...hello, stream: i < answers.length } });
  const expected = ['I look.', 'One', 'Two — ü', 'OneTwo — ü', '{"list":[1,"ü"]}', ''];
  expect(gateway.delivered()).toEqual([...expected, ...expected]);
});

test('a summary on the way is billed besides the message', () => {
  const reader = createMessageReader();
  reader.event(
    '{"type":"message_start","message":{"model":"claude-opus-5-5","usage":{"input_tokens":10,"output_tokens":1}}}',
  );
  reader.event(
    '{"type":"message_delta","delta":{},"usage":{"input_tokens":null,"output_tokens":20,"iterations":[{"type":"compaction","input_tokens":300,"output_tokens":40},{"type":"message","input_tokens":10,"output_tokens":20}]}}',
  );
  expect(reader.calls.map(({ input, output }) => [input, output])).toEqual([
    [10, 20],
    [300, 40],
  ]);
});

test('events are read whatever way the bytes are cut', () => {
  const bytes = Buffer.from('event: a\r\ndata: {"ü":1}\r\n\r\n: comment\n\ndata:x\ndata: y\n\ndata: unfinished\n');
  for (let cut = 1; cut < bytes.length; cut++) {
    const seen: string[] = [];
    const reader = createSseReader((data) => seen.push(data));
    reader.push(bytes.subarray(0, cut));
    reader.push(bytes.subarray(cut));
    expect(seen).toEqual(['{"ü":1}', 'x\ny']);
  }
});

test('prices are found under every spelling of a model, and long prompts at their own rates', async () => {
  const prices = packagePrices();
  const million = { input: 1e6, output: 0, cacheWrite5m: 0, cacheWrite1h: 0, cacheRead: 0 };
  const inputUsd = (model: string) => costUsd(prices, model, million);
  expect(inputUsd('claude-opus-4-1-20250805')).toBe(15);
  expect(inputUsd('us.anthropic.claude-opus-4-1-20250805-v1:0')).toBe(15);
  expect(inputUsd('claude-sonnet-4@20250514')).toBe(3);
  expect(inputUsd('claude-opus-5-5[1m]')).toBe(4);
  expect(inputUsd('claude-3-5-haiku-latest')).toBe(0.8);
  expect(inputUsd('claude-opus-5-6')).toBeNull();
  expect(inputUsd('constructor')).toBeNull();
  expect(inputUsd('claude-haiku-5-5')).toBe(0.5);
  expect(costUsd(prices, 'claude-haiku-5-5', { ...million, input: 100_000 })).toBeCloseTo(0.01, 10);
});

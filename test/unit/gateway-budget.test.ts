import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { fail, inOrder, say } from '../fakes/model-server.ts';
import { hello, open, setUp } from './gateway-harness.ts';

/** claude-opus-4-5: 5 USD a million in, 25 out, 6.25 into the cache. */
const outputUsd = 25 / 1e6;
const body = (maxTokens: number, more: object = {}) => ({ ...hello, max_tokens: maxTokens, ...more });
const used = (output: number) => ({ usage: { input_tokens: 10, output_tokens: output } });

describe('D2: a budget holds in the gateway', () => {
  test('what was not used is given back, and what is used up refuses the next call for good', async () => {
    const maxBudgetUsd = 10_000 * outputUsd;
    const { send, gateway, denied } = await setUp(inOrder([say('a', used(6000)), say('b', used(2990)), say('never')]), {
      maxBudgetUsd,
    });
    expect((await send({ body: body(8000) })).status).toBe(200);
    expect(gateway.budgetReached()).toBeUndefined();
    expect((await send({ body: body(3000) })).status).toBe(200);
    const refused = await send({ body: body(2000) });
    expect(refused.status).toBe(429);
    expect(refused.headers['x-should-retry']).toBe('false');
    expect(refused.text).toContain('budget of $0.25 is used up');
    expect(gateway.budgetReached()).toContain('$0.25 is used up: $0.2249 were spent');
    expect(gateway.spent().costUsd).toBeLessThan(maxBudgetUsd);
    expect(denied.map(({ what }) => what)).toEqual(['POST /v1/messages']);
  });

  test('an answer is asked for no longer than the budget pays for, its thinking with it', async () => {
    const { send, upstream } = await setUp([say('a', used(10))], { maxBudgetUsd: 5000 * outputUsd });
    const thinking = { type: 'enabled', budget_tokens: 20_000 };
    expect((await send({ body: body(32_000, { thinking }) })).status).toBe(200);
    const asked = JSON.parse(upstream.requests[0]!.body);
    expect(asked.max_tokens).toBeGreaterThan(4900);
    expect(asked.max_tokens).toBeLessThan(5000);
    expect(asked.thinking).toEqual({ type: 'enabled', budget_tokens: Number(asked.max_tokens) - 1 });
  });

  test('prior E4c: calls at the same time never hold more than there is: the second waits for what the first gives back', async () => {
    const maxBudgetUsd = 4000 * outputUsd;
    const { send, upstream, gateway } = await setUp(
      inOrder([say('a', { ...used(100), firstByteMs: 2000 }), say('b', used(100)), say('c', used(100))]),
      { maxBudgetUsd },
    );
    const first = send({ body: body(3500) });
    await expect.poll(() => upstream.requests).toHaveLength(1);
    const others = [send({ body: body(2000) }), send({ body: body(1500) })];
    await delay(100);
    expect(upstream.requests).toHaveLength(1);
    expect((await first).status).toBe(200);
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual([200, 200]);
    expect(gateway.spent().costUsd).toBeLessThan(maxBudgetUsd);
  });

  test('an answer that was given up keeps its whole share, because nobody saw what it cost', async () => {
    const { port, gateway, upstream, send } = await setUp(
      inOrder([say('word '.repeat(4000), { betweenEventsMs: 5 }), say('b')]),
      {
        maxBudgetUsd: 4000 * outputUsd,
      },
    );
    const client = open(port, gateway.placeholderKey, { body: body(3800) });
    client.on('error', () => {});
    await expect.poll(() => upstream.requests).toHaveLength(1);
    client.destroy();
    await upstream.abandoned;
    expect((await send({ body: body(2000) })).status).toBe(429);
    expect(gateway.budgetReached()).toBeDefined();
  });

  test('a request that the endpoint did not take costs nothing', async () => {
    const { send } = await setUp(inOrder([fail(529), say('b', used(10))]), { maxBudgetUsd: 2000 * outputUsd });
    expect((await send({ body: body(1900) })).status).toBe(529);
    expect((await send({ body: body(1900) })).status).toBe(200);
  });

  test('prior E4d: a model without a price is refused, and counting tokens is free', async () => {
    const { send, gateway, upstream } = await setUp(() => say('never'), { maxBudgetUsd: 100 });
    const refused = await send({ body: body(100, { model: 'claude-unheard-of' }) });
    expect(refused.status).toBe(429);
    expect(gateway.budgetReached()).toContain('claude-unheard-of has no known price');
    expect(upstream.requests).toHaveLength(0);
  });

  test('pictures are reserved as pictures, not as the characters that spell them', async () => {
    const { send } = await setUp([say('a', used(10))], { maxBudgetUsd: 0.2 });
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(1_000_000) } };
    const messages = [{ role: 'user', content: [image] }];
    expect((await send({ body: body(2000, { messages }) })).status).toBe(200);
  });

  test('without a budget nothing is held', async () => {
    const { send, gateway } = await setUp([say('a')]);
    expect((await send({ body: body(200_000) })).status).toBe(200);
    expect(gateway.budgetReached()).toBeUndefined();
  });
});

import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { openGateway } from '../../src/gateway/door.ts';
import { createEgress } from '../../src/gateway/egress.ts';
import { fail, inOrder, raw, say } from '../fakes/model-server.ts';
import { open, openDoor, realKey, send, setUp } from './gateway-harness.ts';

test.for([401, 403])('a refused credential (%s) ends the client at once and is named', async (status) => {
  const { send, gateway } = await setUp(() => fail(status));
  const answer = await send();
  expect(answer.status).toBe(status);
  expect(answer.headers['x-should-retry']).toBe('false');
  expect(gateway.lastFailure()).toMatch(new RegExp(`^The model endpoint answered ${status} \\([a-z_]+\\)\\.$`));
});

test.for([429, 500, 529])('%s passes with what it says about trying again', async (status) => {
  const { send, gateway } = await setUp(() =>
    fail(status, {
      retryAfterSeconds: 7,
      headers: { 'x-should-retry': 'true', 'set-cookie': 'a=b', 'anthropic-organization-id': 'org' },
    }),
  );
  const answer = await send();
  expect(answer.status).toBe(status);
  expect(answer.headers).toMatchObject({ 'retry-after': '7', 'x-should-retry': 'true' });
  expect(answer.headers).not.toHaveProperty('set-cookie');
  expect(answer.headers).not.toHaveProperty('anthropic-organization-id');
  expect(gateway.lastFailure()).toContain(String(status));
});

test('the message of an error passes, so that the client can act on it; a success forgets the failure', async () => {
  const { send, gateway } = await setUp(inOrder([fail(400, { message: 'prompt is too long: 9 > 8' }), say('ok')]));
  const answer = await send();
  expect(JSON.parse(answer.text).error).toEqual({
    type: 'invalid_request_error',
    message: 'prompt is too long: 9 > 8',
  });
  expect(gateway.lastFailure()).toContain('400');
  await send();
  expect(gateway.lastFailure()).toBeUndefined();
});

test('an endpoint that repeats the credential in its error tells it to nobody inside', async () => {
  const short = { kind: 'api_key', value: 'a-key-of-another-shape' } as const;
  const { send, gateway } = await setUp(() => fail(400, { message: `bad key ${short.value}` }), {
    credential: short,
    server: { key: short.value },
  });
  const answer = await send();
  expect(answer.text + JSON.stringify(answer.headers)).not.toContain(short.value);
  expect(gateway.lastFailure()).not.toContain(short.value);
});

test.for([
  ['a page', raw(200, { 'content-type': 'text/html' }, '<html>')],
  ['nothing', raw(204, {})],
] as const)('%s instead of an answer is no answer', async ([, answer]) => {
  const { send, gateway } = await setUp(() => answer);
  expect((await send()).status).toBe(502);
  expect(gateway.lastFailure()).toContain('no answer of a model');
});

test('an error without a readable body is told by its status', async () => {
  const { send, gateway } = await setUp(() => raw(500, { 'content-type': 'text/html' }, '<b>secret stack</b>'));
  const answer = await send();
  expect(answer.status).toBe(500);
  expect(answer.text).not.toContain('stack');
  expect(gateway.lastFailure()).toBe('The model endpoint answered 500.');
});

test('an endpoint that was never there lets the client try twice more, then ends it', async () => {
  // A port that was free a moment ago may be another test's by now; nobody is given this one.
  const freePort = 2;
  const gateway = openGateway({
    endpoint: { baseUrl: `http://127.0.0.1:${freePort}`, credential: { kind: 'api_key', value: realKey } },
    onDenied: () => {},
    egress: createEgress({ privateTargets: [] }),
  });
  onTestFinished(() => gateway.close());
  const port = await openDoor(gateway);
  const answers = [];
  for (let i = 0; i < 3; i++) answers.push(await send(port, gateway.placeholderKey));
  expect(answers.map(({ status }) => status)).toEqual([502, 502, 502]);
  expect(answers.map(({ headers }) => headers['x-should-retry'])).toEqual([undefined, undefined, 'false']);
  expect(gateway.lastFailure()).toBe('The model endpoint could not be reached (ECONNREFUSED).');
});

test('a proxy in the environment is not used', async () => {
  const before = { ...process.env };
  onTestFinished(() => {
    process.env = before;
  });
  Object.assign(process.env, {
    HTTP_PROXY: 'http://127.0.0.1:9',
    http_proxy: 'http://127.0.0.1:9',
    NODE_USE_ENV_PROXY: '1',
  });
  const { send } = await setUp([say('direct')]);
  expect((await send()).status).toBe(200);
});

test('a slow reader holds the endpoint back', async () => {
  const { port, gateway } = await setUp([say('x'.repeat(4_000_000))]);
  const client = open(port, gateway.placeholderKey);
  const [response] = await once(client, 'response');
  response.pause();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const heldBack = gateway.spent().usage.outputTokens;
  expect(heldBack).toBeLessThan(900_000);
  response.resume();
  await once(response, 'end');
  expect(gateway.spent().usage.outputTokens).toBeGreaterThan(900_000);
});

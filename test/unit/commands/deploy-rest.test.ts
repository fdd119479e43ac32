import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createGoogleRest, type GoogleRest } from '../../../src/commands/deploy/google-rest.ts';
import { finished } from '../../../src/commands/deploy/operations.ts';
import { GoogleRefusal } from '../../../src/commands/deploy/refusal.ts';
import {
  type Answer,
  type Disturbance,
  type GoogleServer,
  json,
  startGoogleServer,
} from '../../fakes/google/server.ts';

const script: { answers: (Answer | Disturbance)[] } = { answers: [] };
const held: { server?: GoogleServer } = {};
const interruption = { controller: new AbortController() };
const server = () => held.server!;

beforeEach(async () => {
  script.answers = [];
  interruption.controller = new AbortController();
  held.server = await startGoogleServer(() => script.answers.shift() as Answer, {
    disturb: () => (isDisturbance(script.answers[0]) ? (script.answers.shift() as Disturbance) : undefined),
  });
});
afterEach(() => server().close());

function isDisturbance(next: Answer | Disturbance | undefined): boolean {
  return next !== undefined && 'kind' in next;
}

function open(settleMs = 500): GoogleRest {
  return createGoogleRest({
    project: 'p',
    endpointOf: () => server().url,
    patience: { retryMs: 1000, settleMs, pollMs: 2 },
    signal: interruption.controller.signal,
  });
}

const get = { api: 'run', path: '/v2/thing' } as const;
const named = z.object({ name: z.string() });
const answered = (status: number, message = 'No.'): Answer => ({
  status,
  body: JSON.stringify({ error: { message } }),
});

test('what is sent is JSON, without credentials where it is plain http', async () => {
  script.answers = [json({ name: 'n' })];
  const body = { a: [1] };
  const call = { ...get, method: 'POST', body, query: { b: 'c d', names: ['1', '2'] } } as const;
  expect(await open().send(call, named)).toEqual({ name: 'n' });
  const [request] = server().requests;
  expect(request).toMatchObject({
    method: 'POST',
    url: '/v2/thing?b=c+d&names=1&names=2',
    body: '{"a":[1]}',
    token: undefined,
  });
  expect(request?.headers['content-type']).toBe('application/json');
});

describe('what may pass is tried again', () => {
  test.each<[string, Disturbance]>([
    ['429', { kind: 'refuse', status: 429 }],
    ['503', { kind: 'refuse', status: 503 }],
    ['a cut connection', { kind: 'cut', carriedOut: false }],
  ])('%s', async (_, trouble) => {
    script.answers = [trouble, trouble, json({ name: 'n' })];
    expect(await open().send(get, named)).toEqual({ name: 'n' });
    expect(server().requests).toHaveLength(3);
  });

  test('but not where a second time could do it twice, nor what was said once and for all', async () => {
    script.answers = [{ kind: 'cut', carriedOut: false }];
    await expect(open().send({ ...get, method: 'POST', once: true }, named)).rejects.toMatchObject({
      obstacle: 'unreachable',
    });
    script.answers = [answered(400)];
    await expect(open().send(get, named)).rejects.toMatchObject({ status: 400 });
    expect(server().requests).toHaveLength(2);
  });
});

test('not there is undefined, there already is fine', async () => {
  script.answers = [answered(404), answered(409)];
  expect(await open().find(get, named)).toBeUndefined();
  expect(await open().create({ ...get, method: 'POST' })).toBeUndefined();
});

test('an answer of another shape is refused, not believed', async () => {
  script.answers = [json({ title: 'n' })];
  await expect(open().send(get, named)).rejects.toThrow(/an answer of another shape/);
});

describe('what Google has not heard of everywhere', () => {
  const isSettling = ({ status }: GoogleRefusal) => status === 404;

  test('is asked for until it has', async () => {
    script.answers = [answered(404), answered(404), json({ name: 'n' })];
    const rest = open();
    expect(await rest.settled(() => rest.send(get, named), isSettling)).toEqual({ name: 'n' });
  });

  test('but not longer than it may take', async () => {
    script.answers = Array.from({ length: 1000 }, () => answered(404));
    const rest = open(60);
    await expect(rest.settled(() => rest.send(get, named), isSettling)).rejects.toBeInstanceOf(GoogleRefusal);
  });

  test('and not where it is something else', async () => {
    script.answers = [answered(400)];
    const rest = open();
    await expect(rest.settled(() => rest.send(get, named), isSettling)).rejects.toMatchObject({ status: 400 });
    expect(server().requests).toHaveLength(1);
  });
});

describe('what takes its time', () => {
  const waiting = { api: 'run', version: 'v2', withinMs: 1000, what: 'making the job j', project: 'p' } as const;
  const begun = { name: 'operations/1', done: false };

  test('is looked at until it is done', async () => {
    script.answers = [json(begun), json({ ...begun, done: true })];
    await finished(open(), begun, waiting);
    expect(server().requests.map(({ url }) => url)).toEqual(['/v2/operations/1', '/v2/operations/1']);
  });

  test('that was done at once is not looked at', async () => {
    await finished(open(), { ...begun, done: true }, waiting);
    expect(server().requests).toEqual([]);
  });

  test('and ended badly is a refusal with its reason', async () => {
    script.answers = [json({ ...begun, done: true, error: { code: 7, message: "Permission 'a.b.c' denied" } })];
    await expect(finished(open(), begun, waiting)).rejects.toMatchObject({
      obstacle: 'permission_missing',
      status: 403,
    });
  });

  test('longer than it should says that it may still come', async () => {
    script.answers = Array.from({ length: 1000 }, () => json(begun));
    await expect(finished(open(), begun, { ...waiting, withinMs: 30 })).rejects.toMatchObject({
      message: expect.stringMatching(/has not finished making the job j/),
      hint: expect.stringMatching(/run the same command again/),
    });
  });
});

test('interrupted is interrupted, whatever was going on', async () => {
  script.answers = [{ kind: 'silence' }];
  const sent = open().send(get, named);
  setTimeout(() => interruption.controller.abort(), 20);
  await expect(sent).rejects.toMatchObject({ name: 'AbortError' });
});

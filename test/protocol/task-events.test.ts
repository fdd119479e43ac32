import { rmSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { newTaskId } from '../../src/contracts/ids.ts';
import { randomsFrom } from '../fakes/google/trouble.ts';
import { makeHome, removeHome, startServer, type TestServer } from './server.ts';
import { allOf, firstOf, openEvents, type SentEvent } from './sse.ts';

/** `GET /v1/tasks/{id}/events`, of tasks that really run. */

const keys = { alice: 'a-key-of-alice-0123456789', bob: 'a-key-of-bob-0123456789012' };
const env = { RUNYARD_API_KEYS: `alice:${keys.alice}, bob:${keys.bob}` };

const shared: { server?: TestServer } = {};
beforeAll(async () => {
  shared.server = await startServer({ env });
});
afterAll(() => shared.server?.stop());

const json = z.record(z.string(), z.unknown());

interface From {
  readonly server?: TestServer;
  readonly key?: string;
  readonly lastEventId?: string | undefined;
}

function headersOf({ key = keys.alice, lastEventId }: From): Record<string, string> {
  const bearer = { Authorization: `Bearer ${key}` };
  return lastEventId === undefined ? bearer : { ...bearer, 'Last-Event-ID': lastEventId };
}

const follow = (path: string, from: From = {}) =>
  openEvents(`${(from.server ?? shared.server!).url}/v1/tasks/${path}`, { headers: headersOf(from) });

async function ask(method: 'GET' | 'POST', path: string, body?: object, from: From = {}) {
  const headers = { ...headersOf(from), 'Content-Type': 'application/json' };
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const answer = await fetch(`${(from.server ?? shared.server!).url}/v1/${path}`, init);
  return { status: answer.status, type: answer.headers.get('content-type'), body: json.parse(await answer.json()) };
}

async function start(code: string, more: object = {}, from: From = {}): Promise<string> {
  const input = { language: 'bash', code, wait_seconds: 0, ...more };
  return String((await ask('POST', 'tools/execute_code', input, from)).body.task_id);
}

const textsOf = (events: readonly SentEvent[], stream = 'stdout') =>
  events.filter(({ data }) => data.stream === stream).map(({ data }) => data.text);

/** Everything of a stream that is cut again and again, each time gone on with after the last event that came. */
async function allInPieces(path: string, most: number): Promise<{ events: SentEvent[]; pieces: number }> {
  const random = randomsFrom(7);
  const events: SentEvent[] = [];
  for (let pieces = 1; ; pieces += 1) {
    const stream = await follow(path, { lastEventId: events.at(-1)?.id });
    expect(stream.status).toBe(200);
    events.push(...(await firstOf(stream, 1 + Math.floor(random() * most))));
    if (events.at(-1)?.event === 'result') return { events, pieces };
  }
}

const seqsOf = (events: readonly SentEvent[], run = 0) =>
  events.filter(({ event, data }) => event === 'line' && data.run === run).map(({ data }) => data.seq);
const countTo = (length: number) => Array.from({ length }, (_, index) => index);

describe('one run', () => {
  test('a line comes while the task runs; a task that is cancelled ends the stream', async () => {
    const id = await start('echo one; sleep 90; echo two');
    const { headers, events } = await follow(`${id}/events`);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    const seen: SentEvent[] = [];
    for await (const each of events) {
      seen.push(each);
      if (each.data.text !== 'one') continue;
      expect((await ask('GET', `tasks/${id}`)).body.status).toBe('running');
      await ask('POST', `tasks/${id}/cancel`);
    }
    expect(textsOf(seen)).toEqual(['one']);
    expect(seen.at(-1)).toMatchObject({ event: 'result', data: { task_id: id, status: 'cancelled', success: false } });
  });

  test('of one that has ended: the lines of get_task_logs, its output, and then nothing is left', async () => {
    const id = await start('for i in $(seq 300); do echo line $i; done; echo oops >&2; exit 3', { wait_seconds: 40 });
    const seen = await allOf(await follow(`${id}/events`));
    const { lines } = (await ask('POST', 'tools/get_task_logs', { task_id: id, cursor: 'start', limit: 1000 })).body;
    expect(seen.slice(0, -1).map(({ data }) => data)).toEqual(lines);
    expect(new Set(seen.slice(0, -1).map(({ event }) => event))).toEqual(new Set(['line']));
    expect(seen.at(-1)).toMatchObject({ event: 'result', data: { success: false, exit_code: 3 } });
    expect(seen.at(-1)?.data).toEqual((await ask('GET', `tasks/${id}`)).body);
    const after = await follow(`${id}/events`, { lastEventId: seen.at(-1)?.id });
    expect([after.status, await allOf(after)]).toEqual([204, []]);
  });

  test('cut in the middle again and again, it is gone on with: no line is lost, none comes twice', async () => {
    const id = await start('for i in $(seq 400); do echo line $i; [ $((i % 20)) = 0 ] && sleep 0.1; done; exit 0');
    const { events, pieces } = await allInPieces(`${id}/events`, 40);
    expect(pieces).toBeGreaterThan(8);
    expect(textsOf(events)).toEqual(countTo(400).map((i) => `line ${i + 1}`));
    expect(seqsOf(events)).toEqual(countTo(events.length - 1));
    const cursor = events[10]?.id;
    const { lines } = (await ask('POST', 'tools/get_task_logs', { task_id: id, cursor, limit: 1 })).body;
    expect(lines).toEqual([events[11]?.data]);
  });

  test('a silent one is heard of within 20 s', async () => {
    const id = await start('sleep 60');
    const { events, comments } = await follow(`${id}/events`);
    const reading = (async () => {
      for await (const { event } of events) if (event === 'result') return;
    })();
    await expect.poll(() => comments.length, { timeout: 20_000 }).toBeGreaterThan(0);
    await ask('POST', `tasks/${id}/cancel`);
    await reading;
  });

  test('what goes wrong afterwards is told by an event, as the problem that it is', async () => {
    const id = await start('for i in $(seq 40); do echo line $i; sleep 0.2; done');
    const { events } = await follow(`${id}/events`);
    const seen: SentEvent[] = [];
    for await (const each of events) {
      if (each.data.text === 'line 1') rmSync(join(shared.server!.home, 'store/tasks', id, 'task.json'));
      seen.push(each);
    }
    expect(seen.at(-1)).toMatchObject({
      event: 'error',
      id: undefined,
      data: { type: 'about:blank', status: 404, code: 'not_found', hint: expect.stringMatching(/\w/) },
    });
  });
});

describe('several runs', () => {
  test('two are told of side by side, though one ends long before, and their output at the end', async () => {
    const code = 'for i in 1 2 3; do echo $RUNYARD_RUN $i; sleep $((1 - RUNYARD_RUN)); done; exit $RUNYARD_RUN';
    const id = await start(code, { runs: 2 });
    const { events } = await allInPieces(`${id}/events`, 3);
    for (const run of [0, 1]) {
      expect(textsOf(events.filter(({ data }) => data.run === run))).toEqual([`${run} 1`, `${run} 2`, `${run} 3`]);
      expect(seqsOf(events, run)).toEqual(countTo(seqsOf(events, run).length));
    }
    expect(events.at(-1)?.data).toMatchObject({ status: 'failed', runs: [{ success: true }, { exit_code: 1 }] });
    expect(events.at(-1)?.data).toEqual((await ask('GET', `tasks/${id}`)).body);

    const second = await allOf(await follow(`${id}/events?run=1`));
    expect(new Set(second.slice(0, -1).map(({ data }) => data.run))).toEqual(new Set([1]));
    expect(second.at(-1)?.data).toMatchObject({ exit_code: 1, stdout: '1 1\n1 2\n1 3\n' });
    const rest = await allOf(await follow(`${id}/events?run=1`, { lastEventId: second[1]?.id }));
    expect(rest).toEqual(second.slice(2));
    const ofOther = events.find(({ data }) => data.run === 0)?.id;
    expect((await follow(`${id}/events?run=1`, { lastEventId: ofOther })).status).toBe(400);
  });

  test('of more than are told of at a time none is forgotten, wherever it is cut', async () => {
    const id = await start('echo $RUNYARD_RUN a; echo $RUNYARD_RUN b', { runs: 40 });
    const { events, pieces } = await allInPieces(`${id}/events`, 25);
    expect(pieces).toBeGreaterThan(4);
    for (const run of countTo(40)) {
      expect(textsOf(events.filter(({ data }) => data.run === run))).toEqual([`${run} a`, `${run} b`]);
      expect(seqsOf(events, run)).toEqual(countTo(seqsOf(events, run).length));
    }
  });
});

test('a server that is stopped ends its streams at once, and another goes on with them', async () => {
  const home = makeHome();
  onTestFinished(() => removeHome(home));
  const first = await startServer({ home, env });
  const id = await start('echo one; sleep 8; echo two', {}, { server: first });
  const before: SentEvent[] = [];
  const stop = { atMs: 0, code: Promise.resolve<number | null>(null) };
  for await (const each of (await follow(`${id}/events`, { server: first })).events) {
    before.push(each);
    if (each.data.text !== 'one') continue;
    stop.atMs = performance.now();
    stop.code = first.stop();
  }
  // A call that cannot be gone on with elsewhere is given 7 s.
  expect(performance.now() - stop.atMs).toBeLessThan(6_000);
  expect(textsOf(before)).toEqual(['one']);
  expect(await stop.code).toBe(0);

  const second = await startServer({ home, env });
  onTestFinished(async () => void (await second.stop()));
  const after = await allOf(await follow(`${id}/events`, { server: second, lastEventId: before.at(-1)?.id }));
  expect(textsOf(after)).toEqual(['two']);
  expect(seqsOf([...before, ...after])).toEqual(countTo(before.length + after.length - 1));
  expect(after.at(-1)).toMatchObject({ event: 'result', data: { stdout: 'one\ntwo\n' } });
});

describe('before the first byte a refusal is a problem', () => {
  const some: { id?: string } = {};
  beforeAll(async () => {
    some.id = await start('echo hi', { wait_seconds: 40 });
  });

  test.each([
    ['a task that never was', `${newTaskId()}/events`, {}, 404, 'not_found'],
    ['the task of another owner', 'ID/events', { key: keys.bob }, 404, 'not_found'],
    ['no task', 'nonsense/events', {}, 400, 'invalid_request'],
    ['a key that is none', 'ID/events', { key: 'x' }, 401, 'unauthorized'],
    ['an unknown parameter', 'ID/events?stream=stdout', {}, 400, 'invalid_request'],
    ['a run that is no number', 'ID/events?run=last', {}, 400, 'invalid_request'],
    ['a run that the task has not', 'ID/events?run=1', {}, 400, 'invalid_request'],
  ] as const)('of %s', async (_, path, from, status, code) => {
    expect(await ask('GET', `tasks/${path.replace('ID', some.id ?? '')}`, undefined, from)).toMatchObject({
      status,
      type: 'application/problem+json',
      body: { status, code },
    });
  });

  test('of a Last-Event-ID that is none of this task', async () => {
    const written = (text: string): string => Buffer.from(text).toString('base64url');
    const other = await firstOf(await follow(`${await start('echo hi', { wait_seconds: 40 })}/events`), 1);
    const wrong = [
      'nonsense',
      String(other[0]?.id),
      `${some.id}`,
      ...['/1/0', '/0/0,0/1', '/0/-1', '/', '/0'].map((end) => written(some.id + end)),
    ];
    for (const lastEventId of wrong) {
      const { status, body } = await ask('GET', `tasks/${some.id}/events`, undefined, { lastEventId });
      const detail = 'Last-Event-ID: is no id of an event of this task';
      expect({ lastEventId, status, body }).toMatchObject({ lastEventId, status: 400, body: { detail } });
    }
  });

  test('of a page that rebinds its name, and of another method', async () => {
    const url = `${shared.server!.url}/v1/tasks/${some.id}/events`;
    const status = (headers: Record<string, string>, method = 'GET') =>
      new Promise<number | undefined>((resolve, reject) => {
        const outgoing = request(url, { method, headers: { ...headersOf({}), ...headers } }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        });
        outgoing.once('error', reject);
        outgoing.end();
      });
    expect(await status({ Host: 'evil.example' })).toBe(403);
    expect(await status({ Origin: 'http://evil.example' })).toBe(403);
    expect(await status({}, 'POST')).toBe(405);
  });
});

import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { keys } from '../../../src/contracts/keys.ts';
import type { Store } from '../../../src/contracts/store.ts';
import type { TaskRecord } from '../../../src/contracts/task.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { createCalls } from '../../../src/server/calls.ts';
import { openEventStream } from '../../../src/server/event-stream.ts';
import { sendTaskEvents } from '../../../src/server/task-events.ts';
import { type Bench, claimed, createBench, ended, launchedTask, owner, resultOf } from '../tasks/bench.ts';

/** What a stream of events costs a server: while nobody takes it, and when nobody is there any more. */

const open: Bench[] = [];
function openBench(): Bench {
  const bench = createBench();
  open.push(bench);
  return bench;
}
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.remove();
});

/** The answer of a server of one handler, of which nothing is read yet. */
async function ask(handle: RequestListener): Promise<IncomingMessage> {
  const server = createServer(handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('there is no port');
  const outgoing = request({ host: '127.0.0.1', port: address.port }).end();
  const [answer] = await once(outgoing, 'response');
  return answer;
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += chunk;
  return text;
}

function goneSignal(response: { once(event: 'close', hear: () => void): unknown }): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return gone.signal;
}

interface Served {
  readonly answer: IncomingMessage;
  /** Bytes that the server holds for a client that does not take them. */
  held(): number;
  isOver(): boolean;
}

async function follow({ tasks }: Bench, { id }: TaskRecord): Promise<Served> {
  const state = { held: () => 0, isOver: false };
  const answer = await ask(async (incoming, response) => {
    state.held = () => response.writableLength;
    const rest = { request: incoming, response, caller: { owner }, gone: goneSignal(response) };
    const face = { services: { tasks }, calls: createCalls(), log: silentLogger };
    await sendTaskEvents({ ...rest, path: '', query: new URLSearchParams() }, id, face);
    state.isOver = true;
  });
  return { answer, held: () => state.held(), isOver: () => state.isOver };
}

/** As a runner flushes them: 64 KiB at a time. */
async function print(store: Store, { id }: TaskRecord, chunks: number): Promise<void> {
  const perChunk = 16;
  const time = new Date().toISOString();
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    const lines = Array.from({ length: perChunk }, (_, n) => {
      const text = String(chunk * perChunk + n).padEnd(4000, '.');
      return `${JSON.stringify({ run: 0, seq: chunk * perChunk + n, time, stream: 'stdout', text })}\n`;
    });
    await store.create(keys.eventChunk(id, 0, chunk * perChunk), lines.join(''));
  }
}

test('a slow reader is waited for: no more is read than it takes, and nothing is lost to it', async () => {
  const chunks = 500;
  const bench = openBench();
  const record = await launchedTask(bench.store);
  await claimed(bench.store, record, 0);
  await print(bench.store, record, chunks);
  await ended(bench.store, record, resultOf(0));
  const { answer, held, isOver } = await follow(bench, record);
  const reads = () => bench.asked.filter(({ what, key }) => what === 'read' && key.includes('/events/')).length;
  for (let before = -1; before !== reads(); await delay(500)) before = reads();
  // What it did not take lies in the buffers of its connection, some MiB, and one page here.
  expect(new Set(bench.asked.map(({ key }) => key).filter((key) => key.endsWith('.jsonl'))).size).toBeLessThan(
    chunks / 2,
  );
  expect(held()).toBeLessThan(256 * 1024);
  expect(isOver()).toBe(false);
  const text = await textOf(answer);
  expect([...text.matchAll(/"seq":(\d+)/g)].map(([, seq]) => Number(seq))).toEqual(
    Array.from({ length: chunks * 16 }, (_, seq) => seq),
  );
  expect(text).toMatch(/event: result\ndata: .*\n\n$/);
});

test.each([
  ['takes what there is', 1],
  ['takes nothing', 500],
])('when a client that %s goes away, nothing is read or waited for any more', async (_, chunks) => {
  const bench = openBench();
  const record = await launchedTask(bench.store);
  await claimed(bench.store, record, 0);
  await print(bench.store, record, chunks);
  const { answer, isOver } = await follow(bench, record);
  await once(answer, 'readable');
  // It is looked for more, at the pace of a bucket.
  await delay(700);
  expect(isOver()).toBe(false);
  answer.destroy();
  await expect.poll(isOver, { timeout: 2000, interval: 10 }).toBe(true);
  bench.asked.length = 0;
  await delay(1500);
  expect(bench.asked.filter(({ key }) => key.includes(record.id))).toEqual([]);
});

test('silence is broken by comments, and only silence', async () => {
  const answer = await ask(async (_, response) => {
    const stream = openEventStream(response, goneSignal(response), { heartbeatMs: 300 });
    stream.begin();
    await delay(1000);
    for (let n = 0; n < 100; n += 1) {
      await stream.send({ event: 'progress', data: n });
      await delay(5);
    }
    stream.close();
    await stream.send({ event: 'progress', data: 'too late' });
  });
  const [silent, ...told] = (await textOf(answer)).split(/(?=event: )/);
  expect(silent).toMatch(/^(: the stream is alive\n\n)+$/);
  expect(told).toEqual(Array.from({ length: 100 }, (_, n) => `event: progress\ndata: ${n}\n\n`));
});

test('a client that takes nothing for long is cut off', async () => {
  const state = { isCut: false };
  await ask(async (_, response) => {
    const gone = goneSignal(response);
    const stream = openEventStream(response, gone, { stalledMs: 500 });
    while (!gone.aborted) await stream.send({ event: 'line', data: 'x'.repeat(1024 ** 2) });
    state.isCut = true;
  });
  await expect.poll(() => state.isCut, { timeout: 10_000 }).toBe(true);
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Event, EventStream } from '../../../src/contracts/event.ts';
import { newTaskId } from '../../../src/contracts/ids.ts';
import { keys } from '../../../src/contracts/keys.ts';
import { createFilesystemStore } from '../../../src/store/filesystem.ts';
import { readEventsPage } from '../../../src/tasks/events-page.ts';

const dir = mkdtempSync(join(tmpdir(), 'runyard-events-'));
const store = createFilesystemStore({ dir });
afterAll(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

const chunks = 40;
const linesOfChunk = 250;

/** A log of stdout in many chunks, with one line of stderr in its middle; the lines speak of other streams. */
async function longLog(): Promise<string> {
  const id = newTaskId();
  for (let chunk = 0; chunk < chunks; chunk++) {
    const lines = Array.from({ length: linesOfChunk }, (_, n): Event => {
      const seq = chunk * linesOfChunk + n;
      const stream: EventStream = seq === (chunks * linesOfChunk) / 2 ? 'stderr' : 'stdout';
      return { run: 0, seq, time: new Date().toISOString(), stream, text: '"stream":"stderr" "denied"' };
    });
    const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    await store.create(keys.eventChunk(id, 0, chunk * linesOfChunk), body);
  }
  return id;
}

test.for([0, undefined])(
  'a rare stream is found in a long log, and others have their turn meanwhile, from %s',
  async (fromSeq) => {
    const id = await longLog();
    const turns = { count: 0 };
    const count = () => {
      turns.count++;
      turn = setImmediate(count);
    };
    let turn = setImmediate(count);
    const from = fromSeq === undefined ? {} : { fromSeq };
    const page = await readEventsPage(store, id, { run: 0, stream: 'stderr', maxLines: 10, maxBytes: 10_000, ...from });
    clearImmediate(turn);
    const totalLines = chunks * linesOfChunk;
    expect(page).toMatchObject({ lines: [{ seq: totalLines / 2, stream: 'stderr' }], nextSeq: totalLines, totalLines });
    expect(turns.count).toBeGreaterThanOrEqual(chunks);
  },
);

test('prior A11c: a log of more than a thousand chunks is read in its order, page by page and from its end', async () => {
  const id = newTaskId();
  const count = 1200;
  const line = (seq: number): Event => ({
    run: 0,
    seq,
    time: new Date().toISOString(),
    stream: 'stdout',
    text: `${seq}`,
  });
  for (let seq = 0; seq < count; seq++)
    await store.create(keys.eventChunk(id, 0, seq), `${JSON.stringify(line(seq))}\n`);
  const seen: number[] = [];
  for (let fromSeq = 0; fromSeq < count; ) {
    const page = await readEventsPage(store, id, { run: 0, fromSeq, maxLines: 500, maxBytes: 1e6 });
    expect(page.totalLines).toBe(count);
    seen.push(...page.lines.map(({ seq }) => seq));
    fromSeq = page.nextSeq;
  }
  expect(seen).toEqual(Array.from({ length: count }, (_, seq) => seq));
  const { lines } = await readEventsPage(store, id, { run: 0, maxLines: 3, maxBytes: 1e6 });
  expect(lines.map(({ seq }) => seq)).toEqual([1197, 1198, 1199]);
});

import { expect, test } from 'vitest';
import { newTaskId } from '../../../src/contracts/ids.ts';
import { encodeCursor } from '../../../src/tools/log-cursor.ts';
import { decodePlace, encodeEnd, startTelling } from '../../../src/tools/log-place.ts';

const id = newTaskId();
const read = (text: string, runs: number, run?: number) => decodePlace(text, { id, runs }, run);
const write = (text: string) => Buffer.from(`${id}/${text}`).toString('base64url');

test('of one run a place is the cursor of get_task_logs', () => {
  const telling = startTelling(id, new Map());
  expect(telling.begin(0)).toBe(0);
  expect(telling.told(0, 6)).toBe(encodeCursor(id, 0, 7));
  expect(read(encodeCursor(id, 0, 7), 1)).toEqual(new Map([[0, 7]]));
});

test('a run that was told whole is named no more, but for the newest, which says how far the runs were begun', () => {
  const telling = startTelling(id, new Map());
  for (const run of [0, 1, 2]) telling.begin(run);
  expect(telling.told(1, 4)).toBe(write('0/0,1/5,2/0'));
  telling.told(2, 0);
  telling.end(1);
  telling.end(2);
  expect(telling.told(0, 0)).toBe(write('0/1,2/1'));
  telling.begin(3);
  expect(telling.told(0, 1)).toBe(write('0/2,3/0'));
});

test('gone on with, it goes on from there', () => {
  const from = read(write('0/2,3/9'), 5);
  expect(from).toEqual(
    new Map([
      [0, 2],
      [3, 9],
    ]),
  );
  if (from === undefined || from === 'end') throw new Error('no place');
  const telling = startTelling(id, from);
  expect([telling.begin(0), telling.begin(3), telling.begin(4)]).toEqual([2, 9, 0]);
  expect(telling.told(4, 0)).toBe(write('0/2,3/9,4/1'));
});

test('the end is one of its task', () => {
  expect(read(encodeEnd(id), 3)).toBe('end');
  expect(read(encodeEnd(newTaskId()), 3)).toBeUndefined();
});

test.each([
  ['nothing', '', undefined],
  ['half a place', '0', undefined],
  ['a run that is not', '3/0', undefined],
  ['runs out of order', '1/0,0/0', undefined],
  ['a run twice', '0/0,0/1', undefined],
  ['another run than asked for', '0/0', 1],
  ['more runs than asked for', '0/0,1/0', 0],
  ['a negative line', '0/-1', undefined],
])('%s is no place', (_, text, run) => {
  expect(read(write(text), 3, run)).toBeUndefined();
});

test('more runs than are told of at a time are no place', () => {
  const place = (runs: number) => write(Array.from({ length: runs }, (_, run) => `${run}/0`).join(','));
  expect(read(place(17), 100)?.constructor).toBe(Map);
  expect(read(place(18), 100)).toBeUndefined();
});

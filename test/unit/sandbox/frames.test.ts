import { expect, test } from 'vitest';
import { createPreamble, preamble } from '../../../src/sandbox/cloud-run-launcher/protocol/preamble.ts';
import {
  createFrameReader,
  encodeFrame,
  type Frame,
  kinds,
  payloadBytesMax,
} from '../../../src/sandbox/shared/protocol/frames.ts';

const frames: Frame[] = [
  { kind: kinds.word, channel: 0, payload: Buffer.from('{}') },
  { kind: kinds.data, channel: 4_294_967_295, payload: Buffer.alloc(payloadBytesMax, 'x') },
  { kind: kinds.end, channel: 1, payload: Buffer.alloc(0) },
  { kind: kinds.credit, channel: 16, payload: Buffer.from([0, 0, 1, 0]) },
];
const bytes = Buffer.concat(frames.map(({ kind, channel, payload }) => encodeFrame(kind, channel, payload)));

test.each([1, 2, 8, 9, 10, 1000, 70_000, bytes.length])('frames come whole, in pieces of %i bytes', (size) => {
  const reader = createFrameReader();
  const read: Frame[] = [];
  for (let at = 0; at < bytes.length; at += size) read.push(...reader.push(bytes.subarray(at, at + size)));
  expect(read).toEqual(frames);
});

test.each([
  ['of no known kind', Buffer.from([99, 0, 0, 0, 0, 0, 0, 0, 0])],
  ['of kind 0', Buffer.alloc(9)],
  ['longer than any', Buffer.from([3, 0, 0, 0, 1, 0, 1, 0, 1])],
])('a frame %s is none', (_, frame) => {
  expect(() => createFrameReader().push(frame)).toThrow(/no frame/);
});

test('what is cut off is no frame yet, and no error', () => {
  expect(createFrameReader().push(bytes.subarray(0, 8))).toEqual([]);
});

test('what a launcher prints before the first frame is passed over, however it is cut', () => {
  const said = Buffer.concat([Buffer.from('starting\n--- runyard'), preamble, bytes.subarray(0, 11)]);
  for (const size of [1, 7, said.length]) {
    const reader = createPreamble();
    const state: { rest: Buffer | undefined } = { rest: undefined };
    for (let at = 0; at < said.length; at += size) {
      const piece = said.subarray(at, at + size);
      state.rest = state.rest === undefined ? reader.push(piece) : Buffer.concat([state.rest, piece]);
    }
    expect(state.rest).toEqual(bytes.subarray(0, 11));
  }
});

test('a launcher that only ever prints is given up', () => {
  const reader = createPreamble();
  expect(() => {
    for (let piece = 0; piece < 100; piece += 1) reader.push(Buffer.alloc(1024, 'x'));
  }).toThrow(/something else/);
});

import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { encodeFrame, kinds } from '../../../src/sandbox/shared/protocol/frames.ts';
import {
  type Channel,
  createLink,
  firstConnection,
  type Link,
  type LinkOptions,
  type Receiver,
  windowBytes,
} from '../../../src/sandbox/shared/protocol/link.ts';

const nothing: Receiver = { data: () => undefined, end: () => undefined, gone: () => undefined };

interface Pair {
  readonly here: Link;
  readonly there: Link;
  /** What each side was told. */
  readonly words: unknown[];
  readonly opened: Channel[];
}

/** Two links, each the other's pipe; what is written arrives a turn later, cut as a pipe cuts it. */
function connect(options: { here?: Partial<LinkOptions>; there?: Partial<LinkOptions> } = {}): Pair {
  const words: unknown[] = [];
  const opened: Channel[] = [];
  const both: { here?: Link; there?: Link } = {};
  const to = (side: 'here' | 'there') => (bytes: Buffer) => {
    const copies = [bytes.subarray(0, 5), bytes.subarray(5)].map((piece) => Buffer.from(piece));
    setImmediate(() => {
      for (const copy of copies) both[side]?.push(copy);
    });
  };
  const common = {
    onWord: (word: unknown) => void words.push(word),
    onOpen: (channel: Channel) => {
      opened.push(channel);
      return nothing;
    },
    wordBytesMax: 1024 ** 2,
  };
  const here = createLink({ ...common, write: to('there'), ...options.here });
  const there = createLink({ ...common, write: to('here'), ...options.there });
  Object.assign(both, { here, there });
  return { here, there, words, opened };
}

async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await turnOfTheLoop();
}

test('messages arrive in order and whole, whatever their length', async () => {
  const { here, words } = connect();
  const sent = [{ a: 1 }, { long: 'ü'.repeat(200_000) }, { b: [null] }];
  for (const word of sent) here.say(word);
  await turns();
  expect(words).toEqual(sent);
});

test('a message without an end is refused', () => {
  const link = createLink({
    write: () => undefined,
    onWord: () => undefined,
    onOpen: () => nothing,
    wordBytesMax: 100_000,
  });
  const part = encodeFrame(kinds.part, 0, Buffer.alloc(60_000));
  link.push(part);
  expect(() => link.push(part)).toThrow(/without an end/);
});

test('a channel whose data nobody takes is held up at a window, and no other with it', async () => {
  const { here, there } = connect();
  const release = Promise.withResolvers<void>();
  const taken = { slow: 0, quick: 0 };
  there.attach(1, {
    ...nothing,
    data: async (chunk) => {
      await release.promise;
      taken.slow += chunk.length;
    },
  });
  there.attach(2, {
    ...nothing,
    data: (chunk) => {
      taken.quick += chunk.length;
    },
  });
  const [slow, quick] = [here.attach(1, nothing), here.attach(2, nothing)];
  const sent = { slow: false };
  const slowly = slow.send(Buffer.alloc(3 * windowBytes)).then(() => Object.assign(sent, { slow: true }));
  await quick.send(Buffer.alloc(8 * windowBytes));
  await turns();
  expect([taken, sent.slow]).toEqual([{ slow: 0, quick: 8 * windowBytes }, false]);
  release.resolve();
  await slowly;
  await turns();
  expect(taken.slow).toBe(3 * windowBytes);
});

test('data comes in order, one piece at a time, and its end after it', async () => {
  const { here, there } = connect();
  const told: string[] = [];
  const busy = { with: 0, most: 0 };
  there.attach(1, {
    data: async (chunk) => {
      busy.with += 1;
      busy.most = Math.max(busy.most, busy.with);
      await turnOfTheLoop();
      told.push(chunk.toString());
      busy.with -= 1;
    },
    end: () => void told.push('end'),
    gone: () => void told.push('gone'),
  });
  const channel = here.attach(1, nothing);
  for (const text of ['a', 'b', 'c']) await channel.send(Buffer.from(text));
  channel.end();
  await turns();
  expect([told, busy.most]).toEqual([['a', 'b', 'c', 'end'], 1]);
});

test('a connection carries both ways, outlives its half, and is gone where the other side resets it', async () => {
  const told: string[] = [];
  const receiver = (name: string): Receiver => ({
    data: (chunk) => void told.push(`${name} ${chunk}`),
    end: () => void told.push(`${name} end`),
    gone: () => void told.push(`${name} gone`),
  });
  const accepted: Channel[] = [];
  const { here } = connect({
    there: {
      onOpen: (channel) => {
        accepted.push(channel);
        return receiver(`there ${accepted.length}`);
      },
    },
  });
  const first = here.open(receiver('here 1'));
  await first.send(Buffer.from('question'));
  first.end();
  await turns();
  await accepted[0]?.send(Buffer.from('answer'));
  accepted[0]?.end();
  await turns();
  const second = here.open(receiver('here 2'));
  await turns();
  accepted[1]?.reset();
  await turns();
  await expect(second.send(Buffer.from('late'))).rejects.toThrow(/over/);
  expect(told).toEqual(['there 1 question', 'there 1 end', 'here 1 answer', 'here 1 end', 'here 2 gone']);
});

test('a connection that is refused is gone for whoever has it', async () => {
  const told: string[] = [];
  const { here } = connect({ there: { onOpen: () => undefined } });
  here.open({ ...nothing, gone: () => void told.push('gone') });
  await turns();
  expect(told).toEqual(['gone']);
});

test('whoever waits to send, and every channel, learns that the other side is gone', async () => {
  const told: string[] = [];
  const link = createLink({ write: () => undefined, onWord: () => undefined, onOpen: () => nothing, wordBytesMax: 1 });
  const channel = link.attach(1, { ...nothing, gone: () => void told.push('gone') });
  const sending = channel.send(Buffer.alloc(2 * windowBytes));
  link.close();
  await expect(sending).rejects.toThrow(/over/);
  expect(told).toEqual(['gone']);
});

test.each([
  [
    'more data than the window',
    () => Buffer.concat(Array.from({ length: 5 }, () => encodeFrame(kinds.data, 1, Buffer.alloc(65_536)))),
  ],
  ['data after the end', () => Buffer.concat([encodeFrame(kinds.end, 1), encodeFrame(kinds.data, 1, Buffer.alloc(1))])],
  ['room for what was never sent', () => encodeFrame(kinds.credit, 1, Buffer.from([0, 0, 0, 1]))],
  ['a connection out of turn', () => encodeFrame(kinds.open, firstConnection + 1)],
  ['a message that is none', () => encodeFrame(kinds.word, 0, Buffer.from('{'))],
])('%s ends the link', (_, frames) => {
  const link = createLink({
    write: () => undefined,
    onWord: () => undefined,
    onOpen: () => nothing,
    wordBytesMax: 100,
  });
  link.attach(1, { ...nothing, data: () => new Promise(() => undefined) });
  expect(() => link.push(frames())).toThrow();
});

test('data for a channel that was just reset is nobody’s fault', () => {
  const link = createLink({
    write: () => undefined,
    onWord: () => undefined,
    onOpen: () => nothing,
    wordBytesMax: 100,
  });
  link.attach(1, nothing).reset();
  expect(() => link.push(encodeFrame(kinds.data, 1, Buffer.alloc(10)))).not.toThrow();
});

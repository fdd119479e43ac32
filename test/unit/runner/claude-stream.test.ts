import { expect, test } from 'vitest';
import { createClaudeStream } from '../../../src/runner/claude/stream.ts';
import { processorMsOf } from '../../bench/load.ts';

function read(text: string) {
  const seen: { data: unknown[]; texts: string[]; messages: string[] } = { data: [], texts: [], messages: [] };
  const events = {
    data: (_: string, data: unknown) => void seen.data.push(data),
    text: (_: string, chunk: Buffer) => void seen.texts.push(chunk.toString()),
  };
  const stream = createClaudeStream(events, (message) => seen.messages.push(message));
  stream.take(Buffer.from(text));
  stream.end();
  return { ...seen, results: stream.results };
}

const result = { type: 'result', subtype: 'success', is_error: false, result: 'yes' };

test('lines that are JSON objects are messages, all others plain output', () => {
  const { data, texts, messages, results } = read(
    `{"type":"system"}\nplain\n[1]\n{broken\n${JSON.stringify(result)}\n`,
  );
  expect(data).toEqual([{ type: 'system' }, result]);
  expect(messages).toEqual(['{"type":"system"}', JSON.stringify(result)]);
  expect(texts).toEqual(['plain\n', '[1]\n', '{broken\n']);
  expect(results).toMatchObject([result]);
});

test.each(['errors', 'structured_output', 'permission_denials', 'other'])(
  'a line of millions of values in %s is plain output, within a blink',
  (field) => {
    const text = `{"type":"result","subtype":"s","is_error":true,"${field}":[${'1,'.repeat(2_000_000)}1]}`;
    const noLineOfOurs = () => {
      const { data, results } = read(`${text}\n`);
      expect([data, results]).toEqual([[], []]);
    };
    expect(processorMsOf(noLineOfOurs)).toBeLessThan(1000);
  },
);

import { expect, test } from 'vitest';
import { claudeLineAsText } from '../../../src/tools/claude-line.ts';

const message = (...content: unknown[]) => ({ type: 'assistant', message: { content } });

test.each<[string, unknown, string]>([
  ['a text', message({ type: 'text', text: 'hello' }), 'hello'],
  ['a call', message({ type: 'tool_use', name: 'Bash', input: { command: 'ls' } }), '→ Bash {"command":"ls"}'],
  ['a result', { type: 'user', message: { content: [{ type: 'tool_result', content: 'a\nb' }] } }, '← a\nb'],
  [
    'a result of blocks',
    {
      type: 'user',
      message: { content: [{ type: 'tool_result', content: [{ type: 'text', text: 'a' }, { type: 'image' }] }] },
    },
    '← a\n(image)',
  ],
  ['a plain prompt', { type: 'user', message: { content: 'go on' } }, 'go on'],
  ['thinking', message({ type: 'thinking', thinking: 'hm' }, { type: 'text', text: 'so' }), '(thinking)\nso'],
  ['the start', { type: 'system', subtype: 'init', model: 'm', tools: ['Bash'] }, 'system init m'],
  ['the end', { type: 'result', subtype: 'success', result: 'done' }, 'result success done'],
  ['something new', { kind: 1 }, '{"kind":1}'],
  ['a call without input', message({ type: 'tool_use' }), '(tool_use)'],
])('%s', (_, data, text) => {
  expect(claudeLineAsText(data)).toBe(text);
});

test('a long piece is cut', () => {
  expect(claudeLineAsText(message({ type: 'tool_use', name: 'Write', input: { content: 'x'.repeat(5_000) } }))).toMatch(
    /^→ Write \{"content":"x+… \[\d+ more characters\]$/,
  );
});

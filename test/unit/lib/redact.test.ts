import { expect, test } from 'vitest';
import { redact, redactText } from '../../../src/lib/redact.ts';

test('a value under the name of a secret is replaced, however the name is spelled and however deep it stands', () => {
  const input = {
    headers: { Authorization: 'Bearer abc', 'x-api-key': 'k', Cookie: 'c' },
    anthropicApiKey: 'k',
    GITHUB_TOKEN: 't',
    list: [{ client_secret: 's' }],
    credential: { value: 'v' },
  };
  expect(JSON.stringify(redact(input))).toBe(
    JSON.stringify({
      headers: { Authorization: '[redacted]', 'x-api-key': '[redacted]', Cookie: '[redacted]' },
      anthropicApiKey: '[redacted]',
      GITHUB_TOKEN: '[redacted]',
      list: [{ client_secret: '[redacted]' }],
      credential: '[redacted]',
    }),
  );
});

test('counts and ordinary fields stay', () => {
  const fields = { inputTokens: 12, token: true, task: 'task_1', run: 0, secretary: 'Ada' };
  expect(redact(fields)).toEqual(fields);
});

test.each([
  ['sk-ant-api03-abcdefgh', '[redacted]'],
  ['git clone https://user:pass@host/x', 'git clone https://[redacted]@host/x'],
  ['ghp_0123456789abcdef wrong', '[redacted] wrong'],
  ['authorization: Bearer abcdefghij', 'authorization: Bearer [redacted]'],
  ['nothing secret: task_0190', 'nothing secret: task_0190'],
])('%s', (text, expected) => {
  expect(redactText(text)).toBe(expected);
});

test('an error keeps its type, code and cause, and loses the credential in them', () => {
  const error = Object.assign(new Error('refused sk-ant-abcdefgh', { cause: new Error('ghp_0123456789') }), {
    code: 'ECONNREFUSED',
  });
  const copy = redact({ error });
  expect(copy).toMatchObject({
    error: { type: 'Error', code: 'ECONNREFUSED', message: 'refused [redacted]', cause: { message: '[redacted]' } },
  });
  expect(JSON.stringify(copy)).not.toMatch(/sk-ant-abc|ghp_0123/);
});

test('a cycle ends', () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  expect(JSON.stringify(redact(cycle))).toContain('[deep]');
});

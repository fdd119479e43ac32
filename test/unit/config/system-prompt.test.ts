import { expect, test } from 'vitest';
import { readPromptPlace } from '../../../src/config/system-prompt.ts';
import { SettingsError } from '../../../src/lib/settings.ts';

const read = (setting: string | undefined, hasCloud = true) =>
  readPromptPlace(setting, '--system-prompt (RUNYARD_SYSTEM_PROMPT)', hasCloud);

test('a file, a stored object or a secret', () => {
  expect(read(undefined)).toBeUndefined();
  expect(read('@/etc/runyard/prompt.md', false)).toEqual({ kind: 'file', path: '/etc/runyard/prompt.md' });
  expect(read('gs://a-bucket/prompts/de fault.md')).toEqual({
    kind: 'object',
    bucket: 'a-bucket',
    name: 'prompts/de fault.md',
  });
  expect(read('env:PROMPT', false)).toEqual({ kind: 'secret', reference: 'env:PROMPT' });
  expect(read('secret-manager:prompt')).toEqual({ kind: 'secret', reference: 'secret-manager:prompt' });
});

test.each([
  ['the prompt itself', 'Be brief.', /must be @\/absolute\/path, gs:/],
  ['a relative file', '@prompt.md', /must be @\/absolute\/path/],
  ['a bucket alone', 'gs://a-bucket/', /must be @/],
  ['no bucket', 'gs://A_/x', /must be @/],
  ['a name that is too long', `gs://a-bucket/${'x'.repeat(1025)}`, /must be @/],
  ["the server's own credential", 'env:ANTHROPIC_API_KEY', /can never be given to a task/],
  ["the server's own setting", 'env:RUNYARD_API_KEYS', /can never be given to a task/],
])('%s is refused', (_, setting, sentence) => {
  expect(() => read(setting)).toThrow(SettingsError);
  expect(() => read(setting)).toThrow(sentence);
});

test.each(['gs://a-bucket/x', 'secret-manager:prompt'])('%s needs to know the cloud', (setting) => {
  expect(() => read(setting, false)).toThrow(/set RUNYARD_PROJECT and RUNYARD_REGION/);
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { promptFindings } from '../../../src/commands/doctor/default-prompt.ts';
import { readConfig } from '../../../src/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'runyard-doctor-prompt-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const find = (env: Record<string, string>) =>
  promptFindings(readConfig({ flags: [], env, userHome: folder, isRoot: false, readFile: () => undefined }));

test('the default prompt is looked for where there is to be one, and never shown', async () => {
  expect(await find({})).toEqual([]);
  const file = join(folder, 'prompt.md');
  const env = { RUNYARD_SYSTEM_PROMPT: `@${file}` };
  expect(await find(env)).toMatchObject([
    { subject: 'default prompt', state: 'missing', remedy: expect.stringContaining('RUNYARD_SYSTEM_PROMPT') },
  ]);
  writeFileSync(file, 'Be brief.');
  expect(await find(env)).toEqual([{ subject: 'default prompt', state: 'ok', detail: '9 characters' }]);
  writeFileSync(file, '');
  expect(await find(env)).toEqual([{ subject: 'default prompt', state: 'ok', detail: 'empty, so there is none' }]);
});

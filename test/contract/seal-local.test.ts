import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createLocalSeal } from '../../src/seal/local.ts';
import { sealContract } from './seal-suite.ts';

const dir = mkdtempSync(join(tmpdir(), 'runyard-seal-'));
afterAll(() => rmSync(dir, { recursive: true }));

sealContract(
  'the seal under a key file',
  async () => createLocalSeal({ keyFile: join(dir, 'key') }),
  async () => createLocalSeal({ keyFile: join(dir, 'other-key') }),
);

test('T5: the key file is readable by its owner alone, and nothing else is left beside it', () => {
  const home = join(dir, 'home');
  createLocalSeal({ keyFile: join(home, 'key') });
  expect(statSync(join(home, 'key')).mode & 0o777).toBe(0o600);
  expect(readdirSync(home)).toEqual(['key']);
});

test('a key file of the wrong length is refused, not replaced', () => {
  const keyFile = join(dir, 'short');
  writeFileSync(keyFile, 'too short');
  expect(() => createLocalSeal({ keyFile })).toThrow(/not 32 bytes/);
});

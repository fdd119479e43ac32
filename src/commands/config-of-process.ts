import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { type Config, readConfig } from '../config.ts';
import { hasCode } from '../lib/has-code.ts';

/** The configuration as this process was given it. Throws SettingsError with one sentence for the operator. */
export function configOfProcess(flags: readonly string[]): Config {
  return readConfig({
    flags,
    env: process.env,
    userHome: homedir(),
    isRoot: process.getuid?.() === 0,
    readFile,
  });
}

function readFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { type Config, readConfig } from '../config.ts';
import { hasCode } from '../lib/has-code.ts';
import { SettingsError } from '../lib/settings.ts';

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

/** Throws SettingsError where what is there cannot be read: every path here is one that an operator named. */
function readFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    const why = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
    throw new SettingsError(`${path} cannot be read${why}.`, { cause: error });
  }
}

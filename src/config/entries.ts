import { SettingsError } from '../lib/settings.ts';
import type { ConfigSources } from './sources.ts';

/** The entries of a setting that stand separated by commas, or one a line in the file that `@FILE` names. */
export function readEntries(setting: string, said: string, { readFile }: Pick<ConfigSources, 'readFile'>): string[] {
  const parts = setting.startsWith('@') ? readLines(setting.slice(1), said, readFile) : setting.split(',');
  return parts.map((entry) => entry.trim()).filter((entry) => entry !== '' && !entry.startsWith('#'));
}

function readLines(path: string, said: string, readFile: ConfigSources['readFile']): string[] {
  const text = readFile(path);
  if (text === undefined) throw new SettingsError(`${said} names ${path}, which is not there.`);
  return text.split('\n');
}

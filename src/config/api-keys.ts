import { SettingsError } from '../lib/settings.ts';
import { readEntries } from './entries.ts';
import type { ConfigSources } from './sources.ts';

export interface ApiKey {
  readonly id: string;
  readonly key: string;
}

const keyLengthMin = 16;

/** Pairs separated by commas, or one a line in a file. Their text is a secret and never repeated. */
export function readApiKeys(setting: string | undefined, said: string, sources: ConfigSources): ApiKey[] {
  if (setting === undefined) return [];
  if (!setting.startsWith('@') && sources.flags.some((flag) => flag.startsWith('--api-keys'))) {
    throw new SettingsError(`${said} as a flag takes @FILE only: everybody here can read a command line.`);
  }
  const entries = readEntries(setting, said, sources);
  if (entries.length === 0) throw new SettingsError(`${said} holds no key.`);
  const keys = entries.map((entry, index) => parseKey(entry, `${said}: entry ${index + 1}`));
  if (new Set(keys.map(({ key }) => key)).size < keys.length) throw new SettingsError(`${said}: one key stands twice.`);
  return keys;
}

function parseKey(entry: string, said: string): ApiKey {
  const [, id, key] = /^([A-Za-z0-9._@-]{1,64}):(\S+)$/.exec(entry) ?? [];
  if (id === undefined || key === undefined) {
    throw new SettingsError(`${said} is not "id:key", with an id of letters, digits and ._@-.`);
  }
  if (key.length < keyLengthMin) throw new SettingsError(`${said} has a key shorter than ${keyLengthMin} characters.`);
  return { id, key };
}

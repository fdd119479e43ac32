import { type Prices, prices } from '../contracts/prices.ts';
import { SettingsError } from '../lib/settings.ts';
import type { ConfigSources } from './sources.ts';

/** The prices in a file of the shape of the package's `prices.json`; undefined where none is named. */
export function readPrices(
  path: string | undefined,
  said: string,
  { readFile }: Pick<ConfigSources, 'readFile'>,
): Prices | undefined {
  if (path === undefined) return undefined;
  const text = readFile(path);
  if (text === undefined) throw new SettingsError(`${said} names ${path}, which is not there.`);
  const { data, error } = prices.safeParse(parseJson(text, path, said));
  if (error === undefined) return data;
  const [issue] = error.issues;
  const where = issue?.path.map(String).join('.') || 'the whole';
  throw new SettingsError(`${said}: ${path} is no table of prices as prices.json in the package: ${where} is wrong.`);
}

function parseJson(text: string, path: string, said: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SettingsError(`${said}: ${path} is not valid JSON.`, { cause });
  }
}

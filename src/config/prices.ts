import { type Prices, prices } from '../contracts/prices.ts';
import { SettingsError } from '../lib/settings.ts';
import type { ConfigSources } from './sources.ts';

/**
 * The prices in the shape of the package's `prices.json`: in a file, or in the setting itself where there is no place for
 * files. Undefined where there is no setting.
 */
export function readPrices(
  setting: string | undefined,
  said: string,
  { readFile }: Pick<ConfigSources, 'readFile'>,
): Prices | undefined {
  if (setting === undefined) return undefined;
  const isTable = standsItself(setting);
  const what = isTable ? 'it' : setting;
  const text = isTable ? setting : readFile(setting);
  if (text === undefined) throw new SettingsError(`${said} names ${what}, which is not there.`);
  const { data, error } = prices.safeParse(parseJson(text, what, said));
  if (error === undefined) return data;
  const [issue] = error.issues;
  const where = issue?.path.map(String).join('.') || 'the whole';
  throw new SettingsError(`${said}: ${what} is no table of prices as prices.json in the package: ${where} is wrong.`);
}

/** Whether the setting is the table itself, and no path. */
export function standsItself(setting: string): boolean {
  return setting.startsWith('{');
}

function parseJson(text: string, what: string, said: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SettingsError(`${said}: ${what} is not valid JSON.`, { cause });
  }
}

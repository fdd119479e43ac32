import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { packageVersion } from '../app.ts';
import { SettingsError } from '../lib/settings.ts';
import { mcpTools } from '../specs/mcp-tools.ts';
import { messagesApiTools } from '../specs/messages-api.ts';
import { openApi } from '../specs/openapi.ts';
import { tools } from '../tools/index.ts';

const folder = new URL('../../tool-specs/', import.meta.url);

/** Writes `tool-specs/*.json`; with `--check` says which of them are not what the tools say, exit code 1 if any is. */
export async function specs(flags: readonly string[]): Promise<number> {
  const unknown = flags.find((flag) => flag !== '--check');
  if (unknown !== undefined) throw new SettingsError(`"${unknown}" is no flag; there is only --check.`);
  const documents = Object.entries(textsOfSpecs()).map(([name, text]) => ({ file: new URL(name, folder), name, text }));
  if (!flags.includes('--check')) {
    mkdirSync(folder, { recursive: true });
    for (const { file, text } of documents) writeFileSync(file, text);
    process.stdout.write(`Wrote ${documents.map(({ name }) => `tool-specs/${name}`).join(', ')}\n`);
    return 0;
  }
  const stale = documents.filter(({ file, text }) => !existsSync(file) || readFileSync(file, 'utf8') !== text);
  for (const { name } of stale)
    process.stderr.write(`tool-specs/${name} is not what the tools say: run "runyard specs".\n`);
  return stale.length === 0 ? 0 : 1;
}

/** Each generated file by name. */
function textsOfSpecs(): Record<string, string> {
  const documents = {
    'mcp-tools.json': mcpTools(tools),
    'messages-api.json': messagesApiTools(tools),
    'openapi.json': openApi(tools, { version: packageVersion() }),
  };
  return Object.fromEntries(
    Object.entries(documents).map(([name, value]) => [name, `${JSON.stringify(value, null, 2)}\n`]),
  );
}

import { type SecretDeclaration, type SecretUse, secretReference, secretUses } from '../contracts/secrets.ts';
import { SettingsError } from '../lib/settings.ts';
import { readEntries } from './entries.ts';
import type { ConfigSources } from './sources.ts';

/**
 * `REFERENCE USE@HOST[:PORT]… | env [for=OWNER]`, separated by commas or one a line in a file. Nothing here is a
 * secret: references name them.
 */
export function readSecretDeclarations(
  setting: string | undefined,
  said: string,
  sources: ConfigSources,
): SecretDeclaration[] {
  if (setting === undefined) return [];
  const declarations = readEntries(setting, said, sources).map((entry, index) => parseEntry(entry, index + 1, said));
  const references = new Set(declarations.map(({ reference, owner }) => `${reference} ${owner ?? ''}`));
  if (references.size < declarations.length) throw new SettingsError(`${said}: one reference is declared twice.`);
  return declarations;
}

/** Whether the reference names a credential of the server itself: no task may ever be given one. */
export function isServersOwn(reference: string): boolean {
  if (!reference.startsWith('env:')) return false;
  const name = reference.slice('env:'.length);
  return neverReferable.includes(name) || name.startsWith('RUNYARD_');
}

const neverReferable = ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN', 'GOOGLE_APPLICATION_CREDENTIALS'];

/** Whoever writes a value in place of a name must not find it in a log: what is wrong is counted, not repeated. */
function parseEntry(entry: string, number: number, said: string): SecretDeclaration {
  const [reference = '', ...words] = entry.split(/\s+/);
  if (!secretReference.test(reference)) {
    throw new SettingsError(`${said}: entry ${number} does not begin with env:NAME or secret-manager:NAME.`);
  }
  if (isServersOwn(reference)) {
    throw new SettingsError(`${said}: ${reference} is the server's own and can never be given to a task.`);
  }
  const owners = words.filter((word) => word.startsWith('for='));
  const uses = words.filter((word) => !word.startsWith('for='));
  if (owners.length > 1 || owners[0] === 'for=') throw new SettingsError(`${said}: ${reference} has no single owner.`);
  if (uses.length === 0) {
    throw new SettingsError(`${said}: ${reference} says no use, such as env or git@github.com.`);
  }
  const owner = owners[0]?.slice('for='.length);
  return {
    reference,
    uses: uses.map((word, index) => parseUse(word, `use ${index + 1} of ${reference}`, said)),
    ...(owner ? { owner } : {}),
  };
}

function parseUse(word: string, which: string, said: string): SecretDeclaration['uses'][number] {
  if (word === 'env') return { use: 'env' };
  const [, use, host, port] = /^(\w+)@([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::(\d{1,5}))?$/.exec(word) ?? [];
  if (use === undefined || host === undefined || use === 'env' || !isUse(use)) {
    throw new SettingsError(`${said}: ${which} is not env, git@HOST, webhook@HOST or mcp@HOST.`);
  }
  return { use, host: host.toLowerCase(), ...(port === undefined ? {} : { port: Number(port) }) };
}

function isUse(word: string): word is SecretUse {
  return (secretUses as readonly string[]).includes(word);
}

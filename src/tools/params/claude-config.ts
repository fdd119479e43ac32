import { z } from 'zod';
import type { ClaudeConfig } from '../../contracts/claude-config.ts';
import { RunyardError } from '../../contracts/errors.ts';
import { coversHost, parseHostRule } from '../../contracts/hosts.ts';
import { limits } from '../../contracts/limits.ts';
import { secretReference } from '../../contracts/secrets.ts';
import { shapeInWords } from '../describe-tool.ts';
import { environmentNameFault } from './task.ts';
import { boundedText, notEmpty, word } from './text.ts';

/** What a caller adds to Claude Code itself: agents, slash commands, MCP servers. */

const namesMax = 50;
const plainName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const line = boundedText(1000, '1,000 bytes').refine((text) => !/\p{Cc}/u.test(text), 'must be one line');
const content = notEmpty(boundedText(100_000, '100,000 bytes'));
const variables = z.record(z.string(), word);

const agentsField = named(
  z.record(z.string(), z.unknown()).check(({ value, issues }) => {
    for (const name of ['description', 'prompt']) {
      if (typeof value[name] === 'string' && value[name].trim() !== '') continue;
      issues.push({ code: 'custom', message: 'must be a text', path: [name], input: value[name] });
    }
  }),
  '{ name: { description, prompt, … } }, as Claude Code reads them',
);

const commandsField = named(
  z.strictObject({ content, description: line.optional() }),
  '{ name: { content, description? } }: slash commands',
);

const mcpServer = z
  .strictObject({
    command: word.optional(),
    args: z.array(word).max(200).optional(),
    env: variables.optional(),
    url: z.string().max(2000).optional(),
    headers: z.record(z.string(), line).optional(),
    secret: z.string().optional(),
  })
  .check(({ value, issues }) => {
    for (const [field, message] of faultsOf(value)) {
      issues.push({ code: 'custom', message, path: [field], input: undefined });
    }
  });
type McpServerInput = z.output<typeof mcpServer>;

const mcpServersField = named(
  mcpServer,
  '{ name: { command, args?, env? } } in the sandbox, { name: { url, headers? } } in allowed_domains or ' +
    '{ name: { url, secret } }; $' +
    '{NAME} stands for a variable',
);

const trustRepoSettingsField = z
  .boolean()
  .optional()
  .describe('Let .claude settings, hooks, CLAUDE.md and .mcp.json of the working directory count');

export const claudeConfigFields = {
  agents: agentsField,
  commands: commandsField,
  mcp_servers: mcpServersField,
  trust_repo_settings: trustRepoSettingsField,
} as const;

/**
 * What a task is given of these fields. Throws `egress_denied` where a server lies outside of the allowed hosts; the host
 * of one with a secret is allowed by the secret's declaration, which is looked up at submit.
 */
export function configOf(fields: ConfigFields): ClaudeConfig | undefined {
  const { agents, commands, mcp_servers: servers, trust_repo_settings: trust, allowed_domains: domains = [] } = fields;
  for (const [name, server] of Object.entries(servers ?? {})) refuseUrl(name, server, domains);
  if ([agents, commands, servers, trust].every((each) => each === undefined)) return undefined;
  return {
    ...(agents === undefined ? {} : { agents: z.record(z.string(), z.record(z.string(), z.json())).parse(agents) }),
    ...(commands === undefined ? {} : { commands }),
    ...(servers === undefined ? {} : { mcpServers: Object.fromEntries(Object.entries(servers).map(serverOf)) }),
    ...(trust === undefined ? {} : { trustRepoSettings: trust }),
  };
}

// --- Internal helpers ---

interface ConfigFields {
  readonly agents?: z.output<typeof agentsField>;
  readonly commands?: z.output<typeof commandsField>;
  readonly mcp_servers?: z.output<typeof mcpServersField>;
  readonly trust_repo_settings?: boolean | undefined;
  readonly allowed_domains?: readonly string[] | undefined;
}

/** Names become names of files and of tools. */
function named<T extends z.ZodType>(schema: T, description: string) {
  return z
    .record(z.string(), schema)
    .check(({ value, issues }) => {
      const names = Object.keys(value);
      for (const name of names.filter((each) => !plainName.test(each))) {
        issues.push({ code: 'custom', message: 'is no plain name', path: [name], input: name });
      }
      if (names.length > namesMax)
        issues.push({ code: 'custom', message: `holds more than ${namesMax} names`, input: undefined });
      if (Buffer.byteLength(JSON.stringify(value)) > limits.wordsBytesMax)
        issues.push({ code: 'custom', message: 'is larger than 1 MiB', input: undefined });
    })
    .meta({ description, [shapeInWords]: true })
    .optional();
}

function* faultsOf({ command, args, env = {}, url, headers, secret }: McpServerInput): Generator<[string, string]> {
  if ((command === undefined) === (url === undefined)) yield ['command', 'must be given, or else url'];
  if (command !== undefined && headers !== undefined) yield ['headers', 'belong to a url'];
  if (url === undefined && secret !== undefined) yield ['secret', 'belongs to a url'];
  if (secret !== undefined && !secretReference.test(secret))
    yield ['secret', 'is no reference such as env:NAME or secret-manager:NAME'];
  if (secret !== undefined && Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization'))
    yield ['headers', 'hold an authorization, and the secret is one'];
  if (url !== undefined && args !== undefined) yield ['args', 'belong to a command'];
  if (url !== undefined && Object.keys(env).length > 0) yield ['env', 'belongs to a command'];
  for (const name of Object.keys(env)) {
    const fault = environmentNameFault(name);
    if (fault !== undefined) yield ['env', `${name} ${fault}`];
  }
}

function serverOf([name, { command, args, env, url, headers, secret }]: [string, McpServerInput]) {
  const given =
    command === undefined
      ? { url: url ?? '', ...(headers === undefined ? {} : { headers }), ...(secret === undefined ? {} : { secret }) }
      : { command, ...(args === undefined ? {} : { args }), ...(env === undefined ? {} : { env }) };
  return [name, given] as const;
}

function refuseUrl(name: string, { url: text, secret }: McpServerInput, domains: readonly string[]): void {
  if (text === undefined) return;
  const field = `mcp_servers.${name}.url`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '')
    throw new RunyardError('invalid_request', `${field}: is no https address without a user name.`);
  const host = parseHostRule(url.host);
  if (host === undefined) throw new RunyardError('egress_denied', `${field}: ${url.host} is no name of a host.`);
  if (secret !== undefined) return;
  const rules = domains.map(parseHostRule).filter((rule) => rule !== undefined);
  if (coversHost(rules, host)) return;
  throw new RunyardError('egress_denied', `${field}: ${url.host} is not among allowed_domains of this call.`, {
    hint: 'Name the host in allowed_domains as well.',
  });
}

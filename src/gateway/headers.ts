import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { ModelEndpoint } from '../contracts/task.ts';

/** The headers that go upstream, made of what is known: nothing of the client's crosses under its own name alone. */
export function upstreamHeaders(
  client: IncomingHttpHeaders,
  { credential }: ModelEndpoint,
  bodyBytes: number,
): { headers: OutgoingHttpHeaders; leftOutBetas: readonly string[] } {
  const asked = (client['anthropic-beta'] ?? '').toString().split(',').map(trimmed).filter(notEmpty);
  const betas = asked.filter((beta) => harmlessBeta.test(beta));
  const oauth = credential.kind === 'oauth_token';
  if (oauth) betas.push('oauth-2025-04-20');
  return {
    headers: {
      accept: 'application/json, text/event-stream',
      'accept-encoding': 'identity',
      'anthropic-version': versionOf(client),
      ...(betas.length === 0 ? {} : { 'anthropic-beta': betas.join(',') }),
      'content-length': bodyBytes,
      'content-type': 'application/json',
      'user-agent': 'runyard',
      ...(oauth ? { authorization: `Bearer ${credential.value}` } : { 'x-api-key': credential.value }),
    },
    leftOutBetas: asked.filter((beta) => !harmlessBeta.test(beta)),
  };
}

/** What the client may know of an answer: no cookie, no organization, no place to go instead. */
export function clientHeaders(upstream: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(
    ['content-type', 'request-id', 'retry-after', 'retry-after-ms', 'x-should-retry'].flatMap((name) => {
      const value = upstream[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** The placeholder key as a client sends it: under either name, whichever is there. */
export function keysOf(client: IncomingHttpHeaders): string[] {
  const bearer = /^Bearer (.+)$/i.exec(client.authorization ?? '')?.[1];
  return [client['x-api-key']?.toString(), bearer].filter((key) => key !== undefined);
}

// --- Internal helpers ---

/**
 * Names of betas that change how the model thinks, counts, caches and calls the client's own tools. What makes the
 * endpoint act by itself (search, fetch, code, files, MCP, other models, faster and dearer ones) is not among them.
 */
const harmlessBetas = [
  'claude-code(-side-query)?',
  '(interleaved-|dev-full-|redact-)?thinking(-[a-z-]+)?',
  'context-(management|hint|1m)',
  'model-context-window-exceeded',
  'per-turn-control',
  'mid-conversation-[a-z-]+',
  'inline-tools',
  'advanced-tool-use',
  'tool-(search-tool|examples|provenance)',
  '(token-efficient|fine-grained)-tool(s|-streaming)',
  'dangerous-tool-use',
  'computer-use',
  'effort',
  'task-budgets',
  'structured-outputs',
  'summarize-[a-z-]+',
  'compact',
  '(extended-)?cache-[a-z-]+',
  'prompt-caching(-[a-z]+)?',
  'token-counting',
  'output-\\d+k',
  'pdfs',
  'auto-mode-classifier',
  'timing',
  'request-tags',
];
const harmlessBeta = new RegExp(`^(${harmlessBetas.join('|')})-(\\d{8}|\\d{4}-\\d{2}-\\d{2})$`);

function versionOf(client: IncomingHttpHeaders): string {
  const version = client['anthropic-version']?.toString() ?? '';
  return /^\d{4}-\d{2}-\d{2}$/.test(version) ? version : '2023-06-01';
}

function trimmed(text: string): string {
  return text.trim();
}

function notEmpty(text: string): boolean {
  return text !== '';
}

import type { McpServer } from '../../contracts/claude-config.ts';
import { mcpPath, type SecretMcpServer } from '../../contracts/gateway.ts';
import { wallPaths } from '../../contracts/sandbox.ts';

type McpServers = Readonly<Record<string, McpServer>>;

/** The servers that the gateway calls, each with its secret. */
export function secretMcpServers(servers: McpServers = {}): SecretMcpServer[] {
  return Object.entries(servers).flatMap(([name, server]) => {
    if (!('url' in server) || server.secret === undefined) return [];
    const headers = Object.keys(server.headers ?? {}).map((header) => header.toLowerCase());
    return [{ name, url: server.url, secret: server.secret, headers }];
  });
}

/** What the CLI is told of all servers: of those with a secret only where they are found at the door, and its key. */
export function mcpConfig(servers: McpServers, placeholderKey: string): string {
  const mcpServers = Object.entries(servers).map(([name, server]) => [name, knownInside(name, server, placeholderKey)]);
  return JSON.stringify({ mcpServers: Object.fromEntries(mcpServers) });
}

// --- Internal helpers ---

function knownInside(name: string, server: McpServer, placeholderKey: string): object {
  if ('command' in server) return server;
  const { secret, ...open } = server;
  if (secret === undefined) return { type: 'http', ...open };
  return {
    type: 'http',
    url: `http://127.0.0.1:${wallPaths.doorPort}${mcpPath(name)}`,
    headers: { ...server.headers, Authorization: `Bearer ${placeholderKey}` },
  };
}

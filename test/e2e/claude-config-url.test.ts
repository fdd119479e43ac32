import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { say, toolResults, useTool } from '../fakes/model-server.ts';
import { lacking as lackingClaude, useClaude } from './claude-runs.ts';

const lacking = lackingClaude ?? (spawnSync('openssl', ['version']).status === 0 ? undefined : 'openssl');
/** A name that only the runner can resolve, for a server on this machine. */
const host = 'mcp.test';
const request = z.object({
  id: z.union([z.number(), z.string()]).optional(),
  method: z.string(),
  params: z.looseObject({}).optional(),
});

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'an MCP server at an address' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    const home = mkdtempSync(join(tmpdir(), 'runyard-mcp-'));
    const seen: string[] = [];
    let port = 0;
    let server: ReturnType<typeof createServer>;

    beforeAll(async () => {
      const made = spawnSync('openssl', [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
        ...['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`],
        ...['-keyout', join(home, 'key.pem'), '-out', join(home, 'cert.pem')],
      ]);
      expect(made.status).toBe(0);
      const tls = { key: readFileSync(join(home, 'key.pem')), cert: readFileSync(join(home, 'cert.pem')) };
      server = createServer(tls, async (asked, response) => {
        seen.push(asked.headers.authorization ?? '');
        if (asked.method !== 'POST') return void response.writeHead(405).end();
        const { id, method, params } = request.parse(JSON.parse(await text(asked)));
        if (id === undefined) return void response.writeHead(202).end();
        const results: Record<string, object> = {
          initialize: {
            protocolVersion: params?.protocolVersion,
            capabilities: { tools: {} },
            serverInfo: { name: 'far', version: '1' },
          },
          'tools/list': {
            tools: [{ name: 'greet', description: 'x', inputSchema: { type: 'object', properties: {} } }],
          },
          'tools/call': { content: [{ type: 'text', text: 'from afar' }] },
        };
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ jsonrpc: '2.0', id, result: results[method] ?? {} }));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      port = (server.address() as AddressInfo).port;
    });
    afterAll(() => {
      server.close();
      rmSync(home, { recursive: true, force: true });
    });

    test('is reached through the door, with headers from the variables of the run', async () => {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the CLI that replaces it.
      const authorization = 'Bearer ${TOKEN}';
      const target = `${host}:${port}`;
      const done = await run(
        ({ turn, body }) => (turn === 0 ? useTool('mcp__far__greet', {}) : say(toolResults(body).join())),
        {
          config: {
            mcpServers: { far: { url: `https://${target}/mcp`, headers: { authorization } } },
          },
          allowedDomains: [target],
          secrets: { TOKEN: 'of-the-operator' },
          env: { NODE_EXTRA_CA_CERTS: '/workspace/cert.pem' },
          files: [{ path: 'cert.pem', content: readFileSync(join(home, 'cert.pem'), 'utf8'), encoding: 'utf-8' }],
          egress: {
            privateTargets: [{ host, port }],
            resolve: async () => [{ address: '127.0.0.1', family: 4 }],
          },
        },
      );
      expect(done.result.claude?.response).toBe('from afar');
      expect(new Set(seen)).toEqual(new Set(['Bearer of-the-operator']));
    });
  },
);

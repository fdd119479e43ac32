import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Certificate, certificateOf, lackingOpenssl } from '../fakes/certificate.ts';
import { startMcpServer } from '../fakes/mcp-server.ts';
import { say, toolResults, useTool } from '../fakes/model-server.ts';
import { lacking as lackingClaude, useClaude } from './claude-runs.ts';

const lacking = lackingClaude ?? lackingOpenssl;
/** A name that only the runner can resolve, for a server on this machine. */
const host = 'mcp.test';

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'an MCP server at an address' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    let tls: Certificate;

    beforeAll(() => {
      tls = certificateOf(host);
    });

    test.for([
      ['of the newest revision', false],
      ['that keeps sessions', true],
    ] as const)('%s is reached through the door, with headers from the variables of the run', async ([, sessions]) => {
      const { port, url, requests, close } = await startMcpServer({ host, token: 'of-the-operator', tls, sessions });
      onTestFinished(close);
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the CLI that replaces it.
      const authorization = 'Bearer ${TOKEN}';
      const done = await run(
        ({ turn, body }) => (turn === 0 ? useTool('mcp__far__greet', {}) : say(toolResults(body).join())),
        {
          config: { mcpServers: { far: { url, headers: { authorization } } } },
          allowedDomains: [`${host}:${port}`],
          secrets: { TOKEN: 'of-the-operator' },
          env: { NODE_EXTRA_CA_CERTS: '/workspace/cert.pem' },
          files: [{ path: 'cert.pem', content: tls.cert.toString(), encoding: 'utf-8' }],
          egress: { privateTargets: [{ host, port }], resolve: async () => [{ address: '127.0.0.1', family: 4 }] },
        },
      );
      expect(done.result.claude?.response).toBe('from afar');
      expect(new Set(requests.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer of-the-operator']));
      expect(requests.some(({ headers }) => 'mcp-session-id' in headers)).toBe(sessions);
    });
  },
);

import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Certificate, certificateOf, lackingOpenssl } from '../fakes/certificate.ts';
import { type McpServerOptions, startMcpServer } from '../fakes/mcp-server.ts';
import { say, toolResults, useBash, useTool } from '../fakes/model-server.ts';
import { type ClaudeRun, lacking as lackingClaude, useClaude } from './claude-runs.ts';
import { huntFor } from './hunt.ts';

const lacking = lackingClaude ?? lackingOpenssl;
/** A name that only the runner can resolve, for a server on this machine. */
const host = 'mcp.test';
const secret = 'a-token-of-the-operator-that-nobody-inside-sees';

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'an MCP server with a secret' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();
    const trusted = getCACertificates('default');
    let tls: Certificate;

    beforeAll(() => {
      tls = certificateOf(host);
      setDefaultCACertificates([...trusted, tls.cert.toString()]);
    });
    afterAll(() => setDefaultCACertificates([...trusted]));

    /** The real server, and what a run needs that is to call it. */
    async function far(options: McpServerOptions = {}) {
      const server = await startMcpServer({ host, token: secret, tls, ...options });
      onTestFinished(() => server.close());
      const { port, url } = server;
      const reach = {
        egress: { privateTargets: [{ host, port }], resolve: async () => [{ address: '127.0.0.1', family: 4 }] },
      };
      return { server, reach, config: { mcpServers: { far: { url, secret } } } };
    }

    const everything = (done: ClaudeRun) =>
      JSON.stringify([
        done.result,
        done.events,
        done.upstream.requests.map(({ body, rawHeaders }) => [body, rawHeaders]),
      ]);
    const denialsOf = (done: ClaudeRun) =>
      done.events.filter(({ stream }) => stream === 'denied').map(({ data }) => Object(data));

    test.for([
      ['of the newest revision', false],
      ['that keeps sessions', true],
    ] as const)('T6: %s is called under it, and it is nowhere inside', async ([, sessions]) => {
      const { server, reach, config } = await far({ sessions });
      const told: string[] = [];
      const done = await run(
        ({ turn, body }) => {
          if (turn === 0) return useTool('mcp__far__greet', {});
          told.push(...toolResults(body));
          return turn === 1 ? useBash('python3 hunt.py') : say('done');
        },
        { config, ...reach, files: [{ path: 'hunt.py', content: huntFor(secret), encoding: 'utf-8' }] },
      );
      expect(done.result.status).toBe('succeeded');
      expect(told).toEqual(['from afar', "found [] control ['environ', 'file', 'mem'] files True"]);
      expect(new Set(server.requests.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${secret}`]));
      expect(server.requests.some(({ headers }) => 'mcp-session-id' in headers)).toBe(sessions);
      expect(denialsOf(done)).toEqual([]);
      expect(everything(done) + (await done.artifact('transcript.jsonl'))).not.toContain(secret);
    });

    test('T6: a server that repeats it, and a program that asks the door itself, learn nothing', async () => {
      const { server, reach, config } = await far();
      const told: string[] = [];
      const door = 'http://127.0.0.1:8377/mcp/far';
      const ask = (path: string) =>
        `curl -s -o answer -w '%{http_code} ' -X POST -H "x-api-key: $ANTHROPIC_API_KEY" ${door}${path} -d '{}'; `;
      const done = await run(
        ({ turn, body }) => {
          if (turn === 0) return useTool('mcp__far__whoami', {});
          told.push(...toolResults(body));
          return turn === 1 ? useBash(`${ask('/more')}${ask('?x=1')} cp -r /tmp/runyard output/`) : say('done');
        },
        { config, ...reach },
      );
      expect(told).toEqual(['Bearer [redacted]', expect.stringMatching(/^404 404/)]);
      expect(new Set(server.requests.map(({ url }) => url))).toEqual(new Set(['/mcp']));
      const laid = await done.artifact('output/runyard/mcp.json');
      expect(JSON.parse(laid ?? '')).toEqual({
        mcpServers: {
          far: {
            type: 'http',
            url: door,
            headers: { Authorization: expect.stringMatching(/^Bearer runyard-[0-9a-f]{48}$/) },
          },
        },
      });
      expect(denialsOf(done)).toHaveLength(2);
      expect(everything(done) + (await done.artifact('transcript.jsonl'))).not.toContain(secret);
    });

    test.for<[string, McpServerOptions, boolean, RegExp]>([
      ['that does not take it', { token: 'another-one' }, true, /it does not take the secret/],
      ['that is on no public address', {}, false, /not on the public internet/],
      ['whose certificate is of another name', { host: 'other.test' }, true, /cannot be reached \(ERR_TLS_CERT/],
    ])('one %s is an event, and Claude goes on without', async ([, options, allowed, why]) => {
      const { server, reach, config } = await far(options);
      const named = new URL(server.url);
      const privateTargets = allowed ? [{ host: named.hostname, port: server.port }] : [];
      const done = await run([say('without it')], { config, egress: { ...reach.egress, privateTargets } });
      expect(done.result.claude?.response).toBe('without it');
      expect(denialsOf(done)).toEqual([{ what: 'the MCP server far', why: expect.stringMatching(why) }]);
      expect(done.upstream.requests[0]?.body).not.toContain('mcp__far__');
      expect(everything(done)).not.toContain(secret);
    });
  },
);

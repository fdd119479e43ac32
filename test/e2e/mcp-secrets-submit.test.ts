import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keys } from '../../src/contracts/keys.ts';
import type { SecretDeclaration } from '../../src/contracts/secrets.ts';
import type { NewTask } from '../../src/contracts/task-service.ts';
import { startMcpServer } from '../fakes/mcp-server.ts';
import { createHome, filesHolding, serve } from './served.ts';
import { alice, bob, countedSecrets, createYard, ended, everyKey, logText, setupTask, type Yard } from './yard.ts';

/** The secret of an MCP server, from submit to the door. What claude itself does is of no account here. */

const declarations: SecretDeclaration[] = [
  { reference: 'env:KEY', uses: [{ use: 'mcp', host: 'mcp.example.com' }], owner: alice.owner },
  { reference: 'env:PLAIN', uses: [{ use: 'env' }, { use: 'git', host: 'mcp.example.com' }] },
];

const state: { yard?: Yard } = {};
beforeAll(() => {
  state.yard = createYard();
});
afterAll(() => state.yard?.remove());

/** A server whose environment is this; what it reads is counted. */
function serverWith(env: Record<string, string>, more: readonly SecretDeclaration[] = []) {
  const { source, read } = countedSecrets(env, [...declarations, ...more]);
  return { server: state.yard!.server(undefined, source), read };
}

function task(url: string, secret: string, setup = 'exit 7'): NewTask {
  const mcpServers = { far: { url, secret }, near: { command: 'true' } };
  return setupTask({ config: { mcpServers }, setupCommands: [setup] });
}

describe('the secret of an MCP server', () => {
  test.each([
    ['declared for another host', 'https://evil.example/mcp', 'env:KEY', alice],
    ['declared for another port', 'https://mcp.example.com:8443/mcp', 'env:KEY', alice],
    ['declared for a host that ends alike', 'https://notmcp.example.com/mcp', 'env:KEY', alice],
    ["another owner's", 'https://mcp.example.com/mcp', 'env:KEY', bob],
    ['declared for other uses', 'https://mcp.example.com/mcp', 'env:PLAIN', alice],
    ['not declared', 'https://mcp.example.com/mcp', 'env:PATH', alice],
  ])('T6: %s: forbidden, and nothing is read or written', async (_, url, reference, caller) => {
    const { server, read } = serverWith({ KEY: 'x', PLAIN: 'x', PATH: 'x' });
    const before = await everyKey(state.yard!);
    await expect(server.tasks.submit(task(url, reference), caller)).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringMatching(
        /^The secret reference env:\w+ is not declared for you to use as "mcp" at [\w.]+:/,
      ),
    });
    expect(await everyKey(state.yard!)).toEqual(before);
    expect(read).toEqual([]);
  });

  test('T6: is refused to whoever calls the tool with another host, and a value in its place is not repeated', async () => {
    const { home, remove } = createHome();
    const served = await serve(home, {
      ANTHROPIC_API_KEY: 'x',
      KEY: 'x',
      RUNYARD_SECRETS: 'env:KEY mcp@mcp.example.com',
    });
    try {
      const refusal = (url: string, secret: string) =>
        served.refusal('run_claude_task', { prompt: 'x', mcp_servers: { far: { url, secret } } });
      expect(await refusal('https://evil.example/mcp', 'env:KEY')).toMatch(
        /forbidden: The secret reference env:KEY is not declared for you to use as "mcp" at evil\.example:443/,
      );
      expect(await refusal('http://mcp.example.com/mcp', 'env:KEY')).toContain('is no https address');
      const value = await refusal('https://mcp.example.com/mcp', 'sk-a-value-in-place');
      expect(value).toMatch(/invalid_request: mcp_servers\.far\.secret: is no reference/);
      expect(value).not.toContain('sk-a-value');
    } finally {
      await served.close();
      remove();
    }
  });

  test('T6: one that is no token in a header starts nothing, and is not repeated', async () => {
    for (const value of ['two words', 'a\nb', 'zwölf', 'x'.repeat(8193)]) {
      const { server } = serverWith({ KEY: value });
      const submit = server.tasks.submit(task('https://mcp.example.com/mcp', 'env:KEY'), alice);
      const refusal = await submit.catch((error: unknown) => error);
      expect(refusal).toMatchObject({
        code: 'secret_unavailable',
        message: expect.stringContaining('no bearer token'),
      });
      expect(String(refusal)).not.toContain(value);
    }
  });

  test('T6: is sealed, stays in the runner, and goes to no private address', async () => {
    const far = await startMcpServer();
    try {
      const local: SecretDeclaration = {
        reference: 'env:KEY',
        uses: [{ use: 'mcp', host: 'localhost', port: far.port }],
      };
      const value = 'a-value-that-nobody-sees';
      const { server, read } = serverWith({ KEY: `${value}\n` }, [local]);
      const ask =
        'curl -s -X POST -H "x-api-key: $ANTHROPIC_API_KEY" -d "{}" http://127.0.0.1:8377/mcp/far; env; exit 7';
      const submitted = task(`http://localhost:${far.port}/mcp`, 'env:KEY', ask);
      const id = await server.tasks.submit(submitted, alice);
      expect((await ended(server, id)).result).toMatchObject({ error: { code: 'command_failed' } });
      const log = await logText(server, id);
      expect(log).toContain('not on the public internet');
      expect(log).toContain('ANTHROPIC_API_KEY=runyard-');
      expect(read).toEqual(['env:KEY']);
      expect(far.requests).toEqual([]);
      const { home, store } = state.yard!;
      expect(String(await store.read(keys.record(id)))).toContain(id);
      for (const text of [value, 'env:KEY']) expect(filesHolding(home, text)).toEqual([]);
      expect(log).not.toContain(value);
    } finally {
      await far.close();
    }
  });
});

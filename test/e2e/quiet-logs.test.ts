import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { say, startModelServer, useBash } from '../fakes/model-server.ts';
import { makeHome, removeHome, startServer } from '../protocol/server.ts';
import { lacking } from './claude-runs.ts';

/** The logs of server and runner, after tasks that end well and badly. */

const mark = (name: string) => `${name}-${randomBytes(16).toString('hex')}`;
/** Enough of a text to know it by. */
const beginOf = (text: string) => text.slice(0, 20);

describe.skipIf(lacking !== undefined)(lacking === undefined ? 'the logs' : `(skipped: needs ${lacking})`, () => {
  test('prior A15a A15b A15c: hold no part of a credential, of what a caller said, or of what a program printed', async () => {
    const key = `sk-ant-${randomBytes(24).toString('hex')}`;
    const said = Object.fromEntries(
      ['prompt', 'system', 'mcp', 'header', 'env', 'file', 'argument', 'secret', 'printed', 'answer'].map((name) => [
        name,
        mark(name),
      ]),
    ) as Readonly<Record<string, string>>;
    const upstream = await startModelServer(
      ({ turn }) =>
        turn === 0 ? useBash(`echo ${said.printed}; echo ${said.printed} > /proc/$PPID/fd/1`) : say(said.answer ?? ''),
      { key },
    );
    const home = makeHome();
    const start = (more: Record<string, string>) =>
      startServer({
        home,
        env: {
          ...{ ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: upstream.url, NPM: said.secret ?? '' },
          ...{ RUNYARD_SECRETS: 'env:NPM env', RUNYARD_ALLOWED_DOMAINS: 'example.org', ...more },
        },
      });
    const input = {
      prompt: said.prompt,
      system_prompt: said.system,
      mcp_servers: {
        one: { command: 'true', args: [said.mcp], env: { A: said.mcp } },
        two: { url: 'https://example.org/mcp', headers: { 'x-key': said.header } },
      },
      allowed_domains: ['example.org'],
      env: { MINE: said.env },
      secrets: { NPM: 'env:NPM' },
      files: [{ path: 'a', content: said.file }],
      wait_seconds: 50,
    };
    const logs: string[] = [];
    const call = async (url: string, token: string, body: object) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const init = { method: 'POST', headers, body: JSON.stringify(body) };
      const answer = await fetch(`${url}/v1/tools/run_claude_task`, init);
      return z.looseObject({ status: z.unknown() }).parse(await answer.json()).status;
    };
    // A credential of the operator that the endpoint does not take: the one thing that a server has reason to log.
    for (const [more, statuses] of [
      [{}, ['succeeded', 'failed', 400]],
      [{ ANTHROPIC_API_KEY: `${key}-wrong` }, ['failed', 'failed', 400]],
    ] as const) {
      const server = await start(more);
      const token = server.token();
      expect([
        await call(server.url, token, input),
        await call(server.url, token, {
          ...input,
          setup_commands: [`echo ${said.printed} ${said.argument} >&2; exit 3`],
        }),
        await call(server.url, token, { ...input, max_turns: said.argument }),
      ]).toEqual(statuses);
      await server.stop();
      logs.push(server.log.join('\n'), token);
    }
    const tokens = [logs[1] ?? '', logs[3] ?? ''];
    const text = [logs[0], logs[2], readFileSync(join(home, 'runner.log'), 'utf8')].join('\n');
    removeHome(home);
    await upstream.close();
    expect(text).toContain('Serving MCP');
    for (const each of [key, ...tokens, ...Object.values(said)]) expect(text).not.toContain(beginOf(each));
  });
});

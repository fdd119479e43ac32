import { describe, expect, test } from 'vitest';
import { configOf } from '../../src/tools/params/claude-config.ts';
import { runClaudeTask } from '../../src/tools/run-claude-task.ts';

const agent = { description: 'd', prompt: 'p' };

describe("what is refused of Claude's own configuration", () => {
  test.for<[string, object, string]>([
    ['prior A15e: a command that climbs out', { commands: { '../evil': { content: 'x' } } }, 'commands'],
    ['prior A15e: an agent that climbs out', { agents: { '..': agent } }, 'agents'],
    ['a command with a slash', { commands: { 'a/b': { content: 'x' } } }, 'commands'],
    ['a server whose name is an option', { mcp_servers: { '-x': { command: 'x' } } }, 'mcp_servers'],
    [
      'prior A15d: a description with a line break',
      { commands: { a: { content: 'x', description: 'a\nb: c' } } },
      'one line',
    ],
    ['a command without content', { commands: { a: { content: ' ' } } }, 'commands.a.content'],
    ['a field of a command that is none', { commands: { a: { content: 'x', model: 'y' } } }, 'commands.a'],
    ['an agent without a prompt', { agents: { a: { description: 'x' } } }, 'agents.a.prompt'],
    [
      'prior A15d: an agent that is an object in its description',
      { agents: { a: { ...agent, description: {} } } },
      'description',
    ],
    ['a server of neither kind', { mcp_servers: { a: {} } }, 'mcp_servers.a.command'],
    ['a server of both kinds', { mcp_servers: { a: { command: 'x', url: 'https://a.b' } } }, 'mcp_servers.a.command'],
    ['a secret of a command', { mcp_servers: { a: { command: 'x', secret: 'env:KEY' } } }, 'mcp_servers.a.secret'],
    ['a secret that is a value', { mcp_servers: { a: { url: 'https://a.b', secret: 'sk-1' } } }, 'no reference'],
    [
      'an authorization beside a secret',
      { mcp_servers: { a: { url: 'https://a.b', secret: 'env:KEY', headers: { authorization: 'x' } } } },
      'mcp_servers.a.headers',
    ],
    ['a variable of Runyard', { mcp_servers: { a: { command: 'x', env: { RUNYARD_RUN: '1' } } } }, 'mcp_servers.a.env'],
    [
      'a header with a line break',
      { mcp_servers: { a: { url: 'https://a.b', headers: { x: 'a\r\nb' } } } },
      'one line',
    ],
    ['more than a mebibyte', { agents: { a: { ...agent, prompt: 'x'.repeat(1_100_000) } } }, '1 MiB'],
  ])('%s', ([_, fields, said]) => {
    expect(() => runClaudeTask.check({ prompt: 'x', ...fields })).toThrow(said);
  });

  test('an address of a server outside of the allowed hosts, or in plain', () => {
    const at = (url: string, allowed_domains: string[] = []) =>
      configOf({ mcp_servers: { a: { url } }, allowed_domains })?.mcpServers;
    expect(() => at('https://mcp.example.org/')).toThrow(
      /mcp_servers\.a\.url: mcp\.example\.org is not among allowed_domains/,
    );
    expect(() => at('https://mcp.example.org:8443/', ['mcp.example.org'])).toThrow('mcp.example.org:8443');
    expect(() => at('https://127.0.0.1/', ['*.example.org'])).toThrow('127.0.0.1');
    expect(() => at('http://mcp.example.org/', ['mcp.example.org'])).toThrow('https');
    expect(() => at('https://user:word@mcp.example.org/', ['mcp.example.org'])).toThrow('without a user name');
    expect(at('https://mcp.example.org/x', ['*.example.org'])).toEqual({ a: { url: 'https://mcp.example.org/x' } });
  });

  test('D6: with a secret the host need not be allowed: no plain http and no address all the same', () => {
    const at = (url: string) => configOf({ mcp_servers: { a: { url, secret: 'env:KEY' } } })?.mcpServers;
    expect(at('https://mcp.example.org/x')).toEqual({ a: { url: 'https://mcp.example.org/x', secret: 'env:KEY' } });
    expect(() => at('http://mcp.example.org/')).toThrow('https');
    expect(() => at('https://10.0.0.1/')).toThrow(/mcp_servers\.a\.url: 10\.0\.0\.1 is no name of a host/);
    expect(() => at('https://[::1]/')).toThrow('no name');
  });
});

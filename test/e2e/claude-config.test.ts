import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mcpProgram } from '../fakes/mcp-program.ts';
import { say, toolResults, useBash, useTool } from '../fakes/model-server.ts';
import { type ClaudeRun, lacking, seenInside, useClaude } from './claude-runs.ts';

const text = (path: string, content: string) => ({ path, content, encoding: 'utf-8' as const });
const bodyOf = ({ upstream }: ClaudeRun, index = 0) =>
  JSON.parse(upstream.requests.filter(({ method }) => method === 'POST')[index]?.body ?? '{}');

const hook = (file: string) => ({ hooks: [{ type: 'command', command: `touch /workspace/output/${file}` }] });
/** What a repository may bring along to be run. */
const planted = [
  text(
    '.claude/settings.json',
    JSON.stringify({ hooks: { SessionStart: [hook('project-hook')] }, env: { PLANTED: 'yes' } }),
  ),
  text('.claude/settings.local.json', JSON.stringify({ hooks: { SessionStart: [hook('local-hook')] } })),
  text('.mcp.json', JSON.stringify({ mcpServers: { planted: { command: 'touch', args: ['/workspace/output/mcp'] } } })),
  text('.claude/commands/planted.md', 'PLANTED-COMMAND'),
  text('CLAUDE.md', 'PLANTED-MEMORY'),
  text('output/there', ''),
];

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? "row 13: Claude's own configuration" : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();

    test('an agent of the caller is there, and does what it was told to be', async () => {
      const done = await run(
        ({ turn, body }) => {
          if (JSON.stringify(body.system).includes('YOU-ARE-THE-REVIEWER')) return say('reviewed');
          if (turn === 0) return useTool('Agent', { description: 'x', prompt: 'go', subagent_type: 'reviewer' });
          return say(toolResults(body).join().includes('reviewed') ? 'It was reviewed.' : 'nobody');
        },
        { config: { agents: { reviewer: { description: 'Reviews\nwhat it gets', prompt: 'YOU-ARE-THE-REVIEWER' } } } },
      );
      expect(done.result.claude?.response).toBe('It was reviewed.');
    });

    test('prior A15d: a command of the caller is what its name in the prompt means', async () => {
      const description = 'Greets: "all" \\ of them # --- {x}';
      const done = await run([say('ok')], {
        prompt: '/greet the world',
        config: { commands: { greet: { content: 'GREET-WELL $ARGUMENTS', description }, plain: { content: 'x' } } },
      });
      expect(done.result.status).toBe('succeeded');
      expect(JSON.stringify(bodyOf(done).messages)).toContain('GREET-WELL the world');
      expect(JSON.stringify(bodyOf(done).messages)).toContain(JSON.stringify(`greet: ${description}`).slice(1, -1));
    });

    test('an MCP server of the caller runs inside, with what it is given', async () => {
      const done = await run(
        ({ turn, body }) => (turn === 0 ? useTool('mcp__test__whoami', {}) : say(toolResults(body).join())),
        {
          // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the CLI that replaces it.
          config: { mcpServers: { test: { command: 'node', args: ['-e', mcpProgram], env: { WHO: '${NAME}' } } } },
          env: { HOUSE: 'the caller' },
          secrets: { NAME: 'a secret name' },
        },
      );
      expect(done.result.claude?.response).toBe('I am a secret name of the caller');
    });

    test('none of it lies in the working directory, nor in an argument', async () => {
      const done = await run(
        [useBash('find . -mindepth 1; echo ---; tr "\\0" " " < /proc/$PPID/cmdline; ls -la /tmp/runyard'), say('ok')],
        {
          systemPrompt: 'SYSTEM-WORDS',
          config: {
            agents: { one: { description: 'd', prompt: 'AGENT-WORDS' } },
            commands: { two: { content: 'COMMAND-WORDS' } },
            mcpServers: { three: { command: 'true', args: ['MCP-WORDS'] } },
          },
        },
      );
      const seen = toolResults(bodyOf(done, 1)).join();
      expect(seen).toMatch(/^\.\/output\n---|^---/);
      expect(seen).toContain('/tmp/runyard/agents.json');
      expect(seen).not.toMatch(/(AGENT|COMMAND|MCP|SYSTEM)-WORDS/);
    });

    test('what the working directory brings along does not run beside it', async () => {
      const config = { commands: { mine: { content: 'x' } }, mcpServers: { one: { command: 'true' } } };
      const done = await run([useBash('echo "planted=$PLANTED"; ls output'), say('ok')], { files: planted, config });
      expect(done.result.artifacts.map(({ path }) => path)).toEqual(['output/there', 'transcript.jsonl']);
      expect(seenInside(done)).toContain('planted=\\nthere');
      expect(seenInside(done)).not.toMatch(/PLANTED-|planted:|\/planted/);
    });

    test('a home that a setup command fills counts for nothing either', async () => {
      const settings = JSON.stringify({ hooks: { SessionStart: [hook('home-hook')] } });
      const done = await run([say('ok')], {
        setupCommands: [
          `for d in "$HOME/.claude" /tmp/runyard/config; do mkdir -p $d output; echo '${settings}' > $d/settings.json; done`,
        ],
        config: { commands: { mine: { content: 'x' } } },
      });
      expect(done.result.artifacts.map(({ path }) => path)).toEqual(['transcript.jsonl']);
    });

    test('trust_repo_settings lets it run', async () => {
      const done = await run([useBash('echo "planted=$PLANTED"'), say('ok')], {
        files: planted,
        config: { trustRepoSettings: true },
      });
      expect(done.result.artifacts.map(({ path }) => path)).toEqual(
        expect.arrayContaining(['output/local-hook', 'output/mcp', 'output/project-hook']),
      );
      expect(seenInside(done)).toContain('planted=yes');
      expect(seenInside(done)).toContain('PLANTED-MEMORY');
    });

    test('no word of the caller is lost where there are many', async () => {
      const content = `${'ü'.repeat(40_000)}COMMAND-END`;
      const commands = Object.fromEntries(
        Array.from({ length: 10 }, (_, n) => [`c${n}`, { content: `${n}${content}` }]),
      );
      const done = await run([say('ok')], { prompt: '/c7', systemPrompt: 'S'.repeat(300_000), config: { commands } });
      expect(JSON.stringify(bodyOf(done).messages)).toContain(`7${content}`);
    });
  },
);

test('nothing of it is written by a path that could lie in the working directory', () => {
  const source = readFileSync(new URL('../../src/runner/claude/laid-files.ts', import.meta.url), 'utf8');
  expect(source).toContain("const folder = '/tmp/runyard';");
  expect(source).not.toContain('workspace');
});

import { describe, expect, test } from 'vitest';
import { say, useBash } from '../fakes/model-server.ts';
import { lacking, useClaude } from './claude-runs.ts';

/** Everything by which words of a caller could end a quotation of ours and be taken for something else. */
const hostile = [
  'First line.',
  ...['EOF', 'TASK_EOF', 'PROMPT', 'END', "'", '"', "'; touch output/quote; '", '"; touch output/quote; "'],
  ...['$(touch output/substituted)', '`touch output/substituted`', '; touch output/semicolon', '&& touch output/and'],
  ...['touch output/line', '\\', '\\\n', '%s %n', '!!', '#', '--help', '-p', '--dangerously-skip-permissions'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is for a shell.
  ...['${HOME}', '\u0001\u001b[2J', '</prompt>', 'last line'],
].join('\n');

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'the words of a caller' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();

    test('prior C1a: marks of a shell, quotes and options in them are words, and reach the model as they are', async () => {
      const { result, upstream } = await run([useBash('ls -A . output'), say('read')], {
        prompt: hostile,
        systemPrompt: hostile,
        appendSystemPrompt: hostile,
        env: { WORDS: hostile },
        files: [{ path: 'output/.keep', content: hostile, encoding: 'utf-8' }],
      });
      expect(result).toMatchObject({ status: 'succeeded', claude: { response: 'read' } });
      const [asked] = upstream.requests.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(body));
      const quoted = JSON.stringify(hostile).slice(1, -1);
      expect(JSON.stringify(asked.messages)).toContain(quoted);
      expect(JSON.stringify(asked.system).split(quoted)).toHaveLength(3);
      expect(result.artifacts.map(({ path }) => path)).toEqual(['output/.keep', 'transcript.jsonl']);
    });

    test('prior C1a: a command with a here-document of any mark is one command', async () => {
      const heredoc = (mark: string) => `cat <<'${mark}'\nof ${mark}\n${mark}\necho after`;
      const { result } = await run([say('ok')], {
        setupCommands: ['EOF', 'TASK_EOF', 'RUNYARD'].map(heredoc),
        finishCommands: [heredoc('STEP')],
      });
      expect(result).toMatchObject({ status: 'succeeded', stderr: '' });
      expect(result.stdout).toBe(['EOF', 'TASK_EOF', 'RUNYARD', 'STEP'].map((mark) => `of ${mark}\nafter\n`).join(''));
    });

    test.each(['KILL', 'TERM', 'INT', 'SEGV'])(
      'prior A3a: a claude that is killed by SIG%s has failed, and nothing that was said before is its answer',
      async (signal) => {
        const { result } = await run([
          useBash(`kill -${signal} $PPID; sleep 20`, { text: 'I am done.' }),
          say('never'),
        ]);
        expect(result.status).toBe('failed');
        expect(result.error?.code).toMatch(/^(command_failed|model_error)$/);
        expect(result.claude?.response ?? '').toBe('');
      },
    );
  },
);

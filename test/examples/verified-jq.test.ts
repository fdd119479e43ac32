import { existsSync } from 'node:fs';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { lacking as lackingClaude } from '../e2e/claude-runs.ts';
import { startModelServer, useTool } from '../fakes/model-server.ts';
import { environment, makeHome, removeHome } from '../protocol/server.ts';
import { example, runExample } from './run-example.ts';

/** What the wall shows of the machine is /usr. */
const lacking = lackingClaude ?? (existsSync('/usr/bin/jq') ? undefined : 'jq in /usr/bin');
const title = lacking === undefined ? 'a filter that a model proposed' : `(skipped: needs ${lacking})`;

describe.skipIf(lacking !== undefined)(title, { timeout: 120_000 }, () => {
  const home = makeHome();
  afterAll(() => removeHome(home));

  async function ask(filter: unknown, path = example('verified-jq/people.json')) {
    const model = await startModelServer([useTool('StructuredOutput', { filter })], { key: 'sk-test' });
    onTestFinished(() => model.close());
    return runExample(
      [example('verified-jq/main.ts'), path, 'who', 'was', 'into', 'computing'],
      environment(home, { HOME: home, ANTHROPIC_API_KEY: 'sk-test', ANTHROPIC_BASE_URL: model.url }),
    );
  }

  test('comes with what it gives', async () => {
    const filter = `.[] | select(.fields | index("computing")) | .name`;
    const { exitCode, stdout, stderr } = await ask(filter);
    expect({ exitCode, answer: stdout && JSON.parse(stdout) }, stderr).toEqual({
      exitCode: 0,
      answer: { filter, output: ['Ada', 'Grace'] },
    });
  });

  test.for([
    ['that is none', '.[] | select(', /syntax error/],
    ['that does not fit the data', '.[] | .name + 1', /cannot be added/],
    ['that is a command for a shell', `'; echo pwned; '`, /syntax error|unexpected/],
  ] as const)('%s comes with what jq said', async ([, filter, sentence]) => {
    const { exitCode, stdout, stderr } = await ask(filter);
    expect({ exitCode, answer: stdout && JSON.parse(stdout) }, stderr).toEqual({
      exitCode: 1,
      answer: { filter, error: expect.stringMatching(sentence) },
    });
  });

  test('that is no text is no proposal', async () => {
    const { exitCode, stdout, stderr } = await ask(42);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain('No filter was proposed: ');
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { say, startModelServer } from '../fakes/model-server.ts';
import { describeOn, startTimeoutMs } from './engine.ts';

/** `runyard run`, which is not a tool and carries tools out. */

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const key = 'sk-ant-the-key-of-these-tests';
const tasks = `
tasks:
  - { id: code, tool: execute_code, language: bash, code: 'echo $RUNYARD_RUN > output/run', runs: 2 }
  - { id: claude, prompt: Say the word. }
`;

describeOn('runyard run', (openEngine) => {
  test('row 21: tasks of a file and their runs, each saved as it ends', { timeout: startTimeoutMs }, async () => {
    const [engine, model] = [await openEngine(), await startModelServer([say('The word.')], { key })];
    const dir = mkdtempSync(join(tmpdir(), 'runyard-batch-'));
    onTestFinished(async () => {
      await model.close();
      await engine.close();
      rmSync(dir, { recursive: true, force: true });
    });
    writeFileSync(join(dir, 'tasks.yaml'), tasks);
    const child = spawn(process.execPath, [main, 'run', join(dir, 'tasks.yaml'), '--out', join(dir, 'out')], {
      env: {
        ...{ PATH: process.env.PATH ?? '', HOME: engine.home, RUNYARD_HOME: engine.home },
        ...{ RUNYARD_WORK: join(engine.home, 'work'), ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: model.url },
        ...engine.env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk) => (said += chunk));
    expect(await once(child, 'close'), said).toEqual([0, null]);
    const read = (path: string) => readFileSync(join(dir, 'out', path), 'utf8');
    expect(['0', '1'].map((run) => read(`code/run-${run}/output/run`))).toEqual(['0\n', '1\n']);
    expect(JSON.parse(read('claude/result.json'))).toMatchObject({ status: 'succeeded', response: 'The word.' });
    expect(read('claude/transcript.jsonl')).toContain('The word.');
  });
});

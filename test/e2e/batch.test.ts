import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHome } from './served.ts';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const yard = createHome();
afterAll(yard.remove);

/** A folder of its own for each test, on one home. */
let count = 0;
const folder = () => {
  const path = join(yard.home, `batch-${++count}`);
  mkdirSync(path);
  return path;
};

function start(dir: string, text: string): { child: ChildProcess; printed: { out: string; err: string } } {
  writeFileSync(join(dir, 'tasks.yaml'), text);
  const child = spawn(process.execPath, [main, 'run', join(dir, 'tasks.yaml'), '--out', join(dir, 'out')], {
    env: { PATH: process.env.PATH ?? '', RUNYARD_HOME: yard.home, RUNYARD_WORK: join(yard.home, 'work') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed = { out: '', err: '' };
  child.stdout?.on('data', (chunk) => (printed.out += chunk));
  child.stderr?.on('data', (chunk) => (printed.err += chunk));
  return { child, printed };
}

async function runToEnd(dir: string, text: string) {
  const { child, printed } = start(dir, text);
  const [exitCode] = await once(child, 'close');
  return { exitCode, ...printed };
}

const result = (dir: string, id: string) => JSON.parse(readFileSync(join(dir, 'out', id, 'result.json'), 'utf8'));

const three = `
concurrency: 2
defaults: { tool: execute_code, language: bash, timeout_seconds: 30 }
tasks:
  - id: good
    code: |
      echo fine; echo "# report" > output/report.md
  - { id: bad, code: "echo no >&2; exit 3" }
  - { id: python, language: python, code: "print(6 * 7)", runs: 2 }
`;

describe('runyard run', () => {
  const dir = folder();
  let first: Awaited<ReturnType<typeof runToEnd>>;
  beforeAll(async () => {
    first = await runToEnd(dir, three);
  });

  test('runs every task, tells of each, and ends with 1 because one failed', () => {
    expect(first.out).toMatch(/✔ good {2}succeeded {2}\d+\.\d s/);
    expect(first.out).toMatch(/✘ bad {2}failed .*command_failed/);
    expect(first.err).toContain('2 succeeded, 1 failed');
    expect(first.exitCode).toBe(1);
  });

  test('leaves the output of each tool, and its artifacts beside it', () => {
    expect(result(dir, 'good')).toMatchObject({ status: 'succeeded', success: true, stdout: 'fine\n' });
    expect(readFileSync(join(dir, 'out/good/output/report.md'), 'utf8')).toBe('# report\n');
    expect(result(dir, 'bad')).toMatchObject({ success: false, exit_code: 3, stderr: 'no\n' });
    expect(result(dir, 'python').runs.map(({ stdout }: { stdout: string }) => stdout)).toEqual(['42\n', '42\n']);
    expect(readdirSync(join(dir, 'out/good')).sort()).toEqual(['output', 'result.json']);
  });

  test('started again, nothing runs twice; what was changed runs', async () => {
    const ids = ['good', 'bad', 'python'];
    const before = ids.map((id) => result(dir, id).task_id);
    const again = await runToEnd(dir, three.replace('6 * 7', '6 * 8'));
    expect(again.exitCode).toBe(1);
    const after = ids.map((id) => result(dir, id).task_id);
    expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
    expect(after[2]).not.toBe(before[2]);
    expect(result(dir, 'python').runs[0].stdout).toBe('48\n');
  });
});

test('exit code 0 if all succeeded', async () => {
  const dir = folder();
  const { exitCode, err } = await runToEnd(
    dir,
    'tasks: [{ id: one, tool: execute_code, language: bash, code: "true" }]',
  );
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: expect.stringContaining('1 succeeded, 0 failed') });
});

test('Ctrl-C ends the waiting and not the tasks; started again, their results are fetched', async () => {
  const dir = folder();
  const slow = 'tasks: [{ id: slow, tool: execute_code, language: bash, code: "echo begun; sleep 4; echo done" }]';
  const { child, printed } = start(dir, slow);
  await expect
    .poll(() => readdirSync(join(yard.home, 'store', 'pending'), { recursive: true }).join(), { timeout: 20_000 })
    .toMatch(/task_/);
  child.kill('SIGINT');
  const [exitCode] = await once(child, 'close');
  expect(exitCode).toBe(1);
  expect(printed.err).toMatch(/Stopped waiting; 1 tasks go on/);
  expect(existsSync(join(dir, 'out/slow/result.json'))).toBe(false);
  expect((await runToEnd(dir, slow)).exitCode).toBe(0);
  expect(result(dir, 'slow').stdout).toBe('begun\ndone\n');
});

describe('a file that is wrong is refused as a whole, with exit code 2 and one sentence', () => {
  const good = '{ id: a, tool: execute_code, language: bash, code: "true" }';
  test.for([
    ['no YAML', 'tasks: [', /tasks\.yaml: /],
    ['an alias of nothing', 'tasks: [*nobody]', /tasks\.yaml: .*alias.*nobody/],
    [
      'aliases without end',
      `a: &a [${'x,'.repeat(20)}]\nb: &b [${'*a,'.repeat(20)}]\ntasks: [${'*b,'.repeat(20)}]`,
      /alias count/,
    ],
    ['no tasks', 'concurrency: 2', /tasks: /],
    ['an unknown field of the file', `colour: red\ntasks: [${good}]`, /colour|Unrecognized/],
    ['no id', 'tasks: [{ prompt: hi }]', /tasks\.0\.id/],
    ['an id that climbs', 'tasks: [{ id: ../a, prompt: hi }]', /must be a name of letters/],
    ['prior C8b: an id twice', `tasks: [${good}, ${good}]`, /two tasks are called a/],
    ['an unknown tool', 'tasks: [{ id: a, tool: list_tasks }]', /tool/],
    ['an unknown field of a task', 'tasks: [{ id: a, prompt: hi, colour: red }]', /task a: colour: unknown field/],
    ['a wrong field', 'tasks: [{ id: a, tool: execute_code, language: cobol, code: x }]', /task a: language/],
    ['a field of ours', 'tasks: [{ id: a, prompt: hi, wait_seconds: 3 }]', /must not hold wait_seconds/],
    ['too many at once', `concurrency: 1000\ntasks: [${good}]`, /concurrency/],
  ] as const)('%s', async ([, text, sentence]) => {
    const dir = folder();
    const { exitCode, err, out } = await runToEnd(dir, text);
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' });
    expect(err).toMatch(/^runyard run: /);
    expect(err.trim().split('\n')).toHaveLength(1);
    expect(err).toMatch(sentence);
    expect(existsSync(join(dir, 'out'))).toBe(false);
  });

  test('a file that is not there, and a folder that is not said', async () => {
    const args = [['run', '/nowhere.yaml', '--out', '/tmp/x'], ['run', '/nowhere.yaml'], ['run']];
    const said = await Promise.all(
      args.map(async (each) => {
        const child = spawn(process.execPath, [main, ...each], { env: { PATH: '', RUNYARD_HOME: yard.home } });
        let err = '';
        child.stderr.on('data', (chunk) => (err += chunk));
        const [exitCode] = await once(child, 'close');
        return `${exitCode} ${err.trim()}`;
      }),
    );
    expect(said).toEqual([
      '2 runyard run: /nowhere.yaml cannot be read.',
      '2 runyard run: where do the results go? say "runyard run FILE --out DIR".',
      '2 runyard run: which file of tasks? say "runyard run FILE --out DIR".',
    ]);
  });
});

describe('inputs of a batch', () => {
  test('are paths from the file on; what is not there is refused before anything starts', async () => {
    const dir = folder();
    mkdirSync(join(dir, 'data'));
    writeFileSync(join(dir, 'data/a'), 'a');
    const { exitCode, err } = await runToEnd(
      dir,
      'tasks: [{ id: one, prompt: hi, inputs: [{ name: data, from: data }, { name: none, from: ./none }] }]',
    );
    expect(exitCode).toBe(2);
    expect(err).toContain(`task one: ${join(dir, 'none')} is not below a folder`);
    expect(existsSync(join(dir, 'out'))).toBe(false);
  });
});

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { saveTask } from '../../src/commands/run/save.ts';
import { newTaskId } from '../../src/contracts/ids.ts';
import { keys } from '../../src/contracts/keys.ts';
import type { RunResult, TaskRecord } from '../../src/contracts/task.ts';
import { taskOutput } from '../../src/contracts/task-output.ts';
import { alice, createYard } from './yard.ts';

const yard = createYard();
const base = mkdtempSync(join(tmpdir(), 'runyard-save-'));
afterAll(async () => {
  await yard.remove();
  rmSync(base, { recursive: true, force: true });
});

/** A task that has ended and left these files, as a runner would write it that was taken over. */
async function forged(files: Readonly<Record<string, string>>) {
  const id = newTaskId();
  const createdAt = new Date().toISOString();
  const about = { kind: 'code', owner: alice.owner, backend: 'local', runs: 1, size: 'small' } as const;
  const record: TaskRecord = { ...about, id, timeoutSeconds: 60, createdAt };
  const result: RunResult = {
    ...{ run: 0, status: 'succeeded', exitCode: 0, stdout: '', stderr: '', truncated: false },
    artifacts: Object.entries(files).map(([path, text]) => ({
      ...{ path, sizeBytes: text.length, sha256: '00', mimeType: 'text/plain' },
    })),
    ...{ startedAt: createdAt, durationMs: 1, sandbox: { technology: 'bubblewrap', network: 'none' } },
  };
  for (const [path, text] of Object.entries(files)) await yard.store.create(keys.artifact(id, 0, path), text);
  await yard.store.create(keys.record(id), JSON.stringify(record));
  await yard.store.create(keys.result(id, 0), JSON.stringify(result));
  return id;
}

/** Paths below `base`, but those of folders. */
const filesBelow = () =>
  readdirSync(base, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name).slice(base.length + 1))
    .sort();

test('prior C5a: names of files lead nowhere out of the folder of the task, and take the place of nothing of ours', async () => {
  const { tasks } = yard.server();
  const id = await forged({
    '../../climbs': 'a',
    'output/../../../climbs too': 'b',
    '/absolute': 'c',
    'result.json': 'd',
    'output/plain': 'e',
    empty: '',
  });
  const folder = join(base, 'out/task');
  mkdirSync(folder, { recursive: true });
  await saveTask(folder, taskOutput(await tasks.look(id, alice)), alice, tasks);
  expect(filesBelow()).toEqual(
    ['absolute', 'artifacts/result.json', 'climbs', 'climbs too', 'empty', 'output/plain', 'result.json']
      .map((path) => `out/task/${path}`)
      .sort(),
  );
  expect(JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8'))).toMatchObject({ task_id: id });
  expect(existsSync('/absolute')).toBe(false);
});

test('a file of which the store has only a part is no file, and the task counts as not saved', async () => {
  const { tasks } = yard.server();
  const id = await forged({ 'output/whole': 'x'.repeat(100) });
  const output = taskOutput(await tasks.look(id, alice));
  await yard.store.remove(keys.artifact(id, 0, 'output/whole'));
  await yard.store.create(keys.artifact(id, 0, 'output/whole'), 'x'.repeat(10));
  const folder = join(base, 'cut');
  await expect(saveTask(folder, output, alice, tasks)).rejects.toThrow('only 10 of 100 bytes');
  expect(existsSync(join(folder, 'result.json'))).toBe(false);
});

test('no name that a program can give a file keeps the others, or the result, from being saved', async () => {
  const { tasks } = yard.server();
  const long = `output/${'\\x01'.repeat(200)}`;
  const id = await forged({ 'result.json.part': 'a', 'output/x.part': 'b', 'output/x': 'c', [long]: 'd' });
  const folder = join(base, 'names');
  await saveTask(folder, taskOutput(await tasks.look(id, alice)), alice, tasks);
  const read = (path: string) => readFileSync(join(folder, path), 'utf8');
  expect(readdirSync(folder).sort()).toEqual(['output', 'result.json', 'result.json.part']);
  expect([read('result.json.part'), read('output/x.part'), read('output/x')]).toEqual(['a', 'b', 'c']);
  const [shortened = ''] = readdirSync(join(folder, 'output')).filter((name) => name.includes('~'));
  expect(read(`output/${shortened}`)).toBe('d');
});

test('a folder that cannot be written is told with the reason, and that the task itself has ended', async () => {
  const { tasks } = yard.server();
  const id = await forged({ 'output/a': 'a' });
  writeFileSync(join(base, 'a file'), '');
  const saved = saveTask(join(base, 'a file'), taskOutput(await tasks.look(id, alice)), alice, tasks);
  await expect(saved).rejects.toMatchObject({
    code: 'backend_error',
    message: expect.stringMatching(/succeeded, but what it left cannot be written to .*a file \(E\w+\)/),
  });
});

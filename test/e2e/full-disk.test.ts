import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createHome, serve } from './served.ts';

const canMount = process.getuid?.() === 0;
const { home, remove } = createHome();
const store = join(home, 'store');

afterAll(() => {
  if (canMount) execFileSync('umount', ['-l', store]);
  remove();
});

/** Fills the disk to its last byte. */
function fill(path: string): void {
  const fd = openSync(path, 'w');
  try {
    for (let size = 65_536; size >= 1; ) {
      try {
        writeSync(fd, Buffer.alloc(size));
      } catch {
        size = Math.floor(size / 2);
      }
    }
  } finally {
    closeSync(fd);
  }
}

test.skipIf(!canMount)(
  'a disk that fills up while a task runs: a new task is refused, the result waits for room and is true (needs root to mount a small disk)',
  async () => {
    mkdirSync(store);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', store]);
    const served = await serve(home);
    const { task_id: taskId } = await served.call('execute_code', {
      language: 'bash',
      code: 'echo begun; sleep 6; echo done',
      wait_seconds: 0,
    });
    await served.call('get_task_logs', { task_id: taskId, cursor: 'start', stream: 'stdout', wait_seconds: 40 });
    fill(join(store, 'filler'));
    expect(await served.refusal('execute_code', { language: 'bash', code: 'echo never' })).toMatch(/disk is full/);
    const before = await served.call('get_task_logs', { task_id: taskId, wait_seconds: 10 });
    expect(before).toMatchObject({ status: 'running' });
    rmSync(join(store, 'filler'));
    const after = await served.call('get_task_logs', { task_id: taskId, wait_seconds: 30 });
    expect(after).toMatchObject({ status: 'succeeded', result: { stdout: 'begun\ndone\n', exit_code: 0 } });
    const { tasks } = await served.call('list_tasks', {});
    expect(tasks).toHaveLength(1);

    await served.close();
    await tellsTheTruthReadOnly(String(taskId));
  },
);

/** The runner of the server before still has the store open for a moment. */
async function tellsTheTruthReadOnly(taskId: string): Promise<void> {
  await expect.poll(() => spawnSync('mount', ['-o', 'remount,ro', store]).status, { timeout: 30_000 }).toBe(0);
  const served = await serve(home);
  expect(await served.refusal('execute_code', { language: 'bash', code: 'echo never' })).toMatch(/read-only/);
  expect(await served.call('get_task_logs', { task_id: taskId })).toMatchObject({
    status: 'succeeded',
    result: { stdout: 'begun\ndone\n' },
  });
  await served.close();
}

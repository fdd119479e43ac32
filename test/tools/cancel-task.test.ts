import { expect, test } from 'vitest';
import { onEngine } from './engine.ts';

onEngine('cancel_task', (tools) => {
  const start = async (code: string, more: object = {}) =>
    (await tools().call('execute_code', { language: 'bash', code, wait_seconds: 0, ...more })).task_id;

  test('prior A4a A4b C3c: a run that is under way ends as cancelled, with what it had printed; once more changes nothing', async () => {
    const task_id = await start('echo begun; echo kept > output/kept.txt; sleep 60');
    const begun = await tools().call('get_task_logs', { task_id, cursor: 'start', wait_seconds: 30 });
    expect(begun.lines).toMatchObject([{ text: 'begun' }]);
    expect(await tools().call('cancel_task', { task_id })).toEqual({ task_id, status: 'cancelled' });
    const { result } = await tools().call('get_task_logs', { task_id });
    expect(result).toMatchObject({
      ...{ status: 'cancelled', success: false, stdout: 'begun\n', error: { code: 'cancelled' } },
    });
    expect(await tools().call('cancel_task', { task_id })).toEqual({ task_id, status: 'cancelled' });
  });

  test('a task that was just started is cancelled, begun or not', async () => {
    const task_id = await start('sleep 60');
    expect(await tools().call('cancel_task', { task_id })).toEqual({ task_id, status: 'cancelled' });
  });

  test('all runs are cancelled; those that have ended stay as they are', async () => {
    const task_id = await start('[ $RUNYARD_RUN = 1 ] || sleep 60', { runs: 3 });
    await tools().call('get_task_logs', { task_id, run: 1, wait_seconds: 30 });
    expect(await tools().call('cancel_task', { task_id })).toEqual({ task_id, status: 'cancelled' });
    const { result } = await tools().call('get_task_logs', { task_id });
    expect(result).toMatchObject({
      runs: [{ status: 'cancelled' }, { status: 'succeeded' }, { status: 'cancelled' }],
    });
  });

  test('one that has ended stays as it is', async () => {
    const { task_id } = await tools().call('execute_code', { language: 'bash', code: 'echo done' });
    expect(await tools().call('cancel_task', { task_id })).toEqual({ task_id, status: 'succeeded' });
  });
});

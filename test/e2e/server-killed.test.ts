import { afterAll, expect, test } from 'vitest';
import { createHome, serve, wholeLog } from './served.ts';

const { home, remove } = createHome();
afterAll(remove);

const countdown =
  'import time\nfor n in range(30):\n    print("line", n)\n    time.sleep(0.1)\nopen("output/end.txt", "w").write("done")';

test('the server is killed while a task runs: another one tells its whole output and its true end', async () => {
  const first = await serve(home);
  const { task_id: taskId } = await first.call('execute_code', {
    language: 'python',
    code: countdown,
    wait_seconds: 1,
  });
  process.kill(first.pid, 'SIGKILL');

  const second = await serve(home);
  const { lines, status } = await wholeLog(second, String(taskId));
  expect(lines).toEqual(Array.from({ length: 30 }, (_, n) => `line ${n}`));
  expect(status).toBe('succeeded');
  const logs = await second.call('get_task_logs', { task_id: taskId });
  expect(logs.result).toMatchObject({
    status: 'succeeded',
    success: true,
    exit_code: 0,
    artifacts: [{ path: 'output/end.txt', text: 'done' }],
  });
  await second.close();
});

test('the server is killed right after it answered: nothing acknowledged is lost', async () => {
  const ids: string[] = [];
  for (let round = 0; round < 3; round++) {
    const served = await serve(home);
    const answers = await Promise.all(
      [0, 1, 2].map((n) =>
        served.call('execute_code', { language: 'bash', code: `echo ${round}.${n}`, wait_seconds: 0 }),
      ),
    );
    process.kill(served.pid, 'SIGKILL');
    ids.push(...answers.map((answer) => String(answer.task_id)));
  }
  const last = await serve(home);
  for (const [index, id] of ids.entries()) {
    const { lines, status } = await wholeLog(last, id);
    expect({ lines, status }).toEqual({ lines: [`${Math.floor(index / 3)}.${index % 3}`], status: 'succeeded' });
  }
  await last.close();
});

test('prior D6a: a client that goes away in the middle of a call ends the call, not the task', async () => {
  const first = await serve(home);
  const call = first.client.callTool({
    name: 'execute_code',
    arguments: { language: 'bash', code: 'sleep 1; echo survived', idempotency_key: 'left' },
  });
  call.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 700));
  await first.close();

  const second = await serve(home);
  const again = await second.call('execute_code', {
    language: 'bash',
    code: 'sleep 1; echo survived',
    idempotency_key: 'left',
  });
  expect(again).toMatchObject({ status: 'succeeded', stdout: 'survived\n' });
  await second.close();
});

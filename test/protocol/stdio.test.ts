import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, type TestContext, test } from 'vitest';
import { z } from 'zod';
import { environment, makeHome, program, removeHome } from './server.ts';

const message = z.looseObject({ jsonrpc: z.literal('2.0'), id: z.number().optional(), method: z.string().optional() });
type Message = z.infer<typeof message>;

const listing = z.looseObject({
  result: z.looseObject({
    structuredContent: z.looseObject({ tasks: z.array(z.looseObject({ status: z.string() })) }),
  }),
});

/** A server on raw pipes. Every line of its stdout must be a message. */
function startRaw(home: string) {
  const child = spawn(program.command, [...program.args, 'serve'], { env: environment(home), stdio: 'pipe' });
  const messages: Message[] = [];
  const arrived = new EventTarget();
  const stderr: string[] = [];
  child.stderr.on('data', (chunk) => stderr.push(String(chunk)));
  createInterface({ input: child.stdout }).on('line', (line) => {
    messages.push(message.parse(JSON.parse(line)));
    arrived.dispatchEvent(new Event('message'));
  });
  const until = async (fits: (each: Message) => boolean): Promise<Message> => {
    for (;;) {
      const found = messages.find(fits);
      if (found !== undefined) return found;
      await once(arrived, 'message', { signal: AbortSignal.timeout(30_000) });
    }
  };
  const say = (line: string) => child.stdin.write(`${line}\n`);
  const send = (id: number | undefined, method: string, params: object) =>
    say(JSON.stringify({ jsonrpc: '2.0', ...(id === undefined ? {} : { id }), method, params }));
  const answer = (id: number) => until((each) => each.id === id && each.method === undefined);
  /** Resolves once the newest task has such a status. */
  const listed = async (status: RegExp) => {
    for (let id = 1_000; ; id++) {
      send(id, 'tools/call', { name: 'list_tasks', arguments: { limit: 1 } });
      const { tasks } = listing.parse(await answer(id)).result.structuredContent;
      if (tasks.some((task) => status.test(task.status))) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  return { child, messages, stderr, until, say, send, answer, listed };
}

async function startInitialized(home: string) {
  const server = startRaw(home);
  const clientInfo = { name: 'raw', version: '1' };
  server.send(1, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
  await server.answer(1);
  server.send(undefined, 'notifications/initialized', {});
  return server;
}

/** Each test waits for most of its time, and has one of its own: all of them wait at once. */
function homeOf({ onTestFinished }: TestContext): string {
  const home = makeHome();
  onTestFinished(() => removeHome(home));
  return home;
}

const sleep = (seconds: number) => ({ language: 'bash', code: `sleep ${seconds}; echo done` });

test.concurrent('nothing but the protocol is on stdout, and it ends with code 0 when the client goes', async (context) => {
  const server = await startInitialized(homeOf(context));
  server.say('this is no JSON');
  server.say('{"jsonrpc":"2.0"}');
  server.send(2, 'tools/call', { name: 'execute_code', arguments: { language: 'python', code: 'print(1)' } });
  expect(await server.answer(2)).toMatchObject({ result: { structuredContent: { stdout: '1\n' } } });
  server.child.stdin.end();
  expect(await once(server.child, 'exit')).toEqual([0, null]);
  expect(server.messages.filter(({ id }) => id !== undefined).map(({ id }) => id)).toEqual([1, 2]);
});

test.concurrent('a call that waits longer is told of at least every 15 s, to whom asked for it', async (context) => {
  const server = await startInitialized(homeOf(context));
  const _meta = { progressToken: 'p' };
  server.send(2, 'tools/call', { name: 'execute_code', arguments: { ...sleep(12), wait_seconds: 30 }, _meta });
  const progress = await server.until(({ method }) => method === 'notifications/progress');
  expect(progress).toMatchObject({
    params: { progressToken: 'p', progress: 10, message: expect.stringContaining('10 s') },
  });
  expect(await server.answer(2)).toMatchObject({ result: { structuredContent: { stdout: 'done\n' } } });
  server.child.stdin.end();
  await once(server.child, 'exit');
});

test.concurrent('a call that the client cancels ends the wait, not the task', async (context) => {
  const server = await startInitialized(homeOf(context));
  server.send(2, 'tools/call', { name: 'execute_code', arguments: { ...sleep(6), idempotency_key: 'kept' } });
  await server.listed(/^(queued|running)$/);
  server.send(undefined, 'notifications/cancelled', { requestId: 2 });
  server.send(3, 'tools/call', { name: 'list_tasks', arguments: { limit: 1 } });
  expect(await server.answer(3)).toMatchObject({
    result: { structuredContent: { tasks: [{ status: expect.stringMatching(/^(queued|running)$/) }] } },
  });
  server.send(4, 'tools/call', { name: 'execute_code', arguments: { ...sleep(6), idempotency_key: 'kept' } });
  expect(await server.answer(4)).toMatchObject({ result: { structuredContent: { stdout: 'done\n', success: true } } });
  expect(server.messages.find(({ id }) => id === 2)).toBeUndefined();
  server.child.stdin.end();
  await once(server.child, 'exit');
});

test.concurrent('SIGTERM lets a call answer with what is known, then ends with code 0', async (context) => {
  const home = homeOf(context);
  const server = await startInitialized(home);
  server.send(2, 'tools/call', { name: 'execute_code', arguments: { ...sleep(60), wait_seconds: 60 } });
  await server.listed(/^running$/);
  server.child.kill('SIGTERM');
  const answer = await server.answer(2);
  expect(answer).toMatchObject({ result: { structuredContent: { status: 'running', hint: expect.any(String) } } });
  expect(await once(server.child, 'exit')).toEqual([0, null]);
  const again = await startInitialized(home);
  const { task_id } = z
    .looseObject({ result: z.looseObject({ structuredContent: z.looseObject({ task_id: z.string() }) }) })
    .parse(answer).result.structuredContent;
  again.send(2, 'tools/call', { name: 'cancel_task', arguments: { task_id } });
  expect(await again.answer(2)).toMatchObject({ result: { structuredContent: { task_id, status: 'cancelled' } } });
  again.child.stdin.end();
  await once(again.child, 'exit');
});

// Minutes where the machine is busy: what is not yet a message is copied with every piece that comes.
test.concurrent('a message larger than any is the end of the server, in order and with a word in its log', {
  timeout: 240_000,
}, async (context) => {
  const server = await startInitialized(homeOf(context));
  server.child.stdin.on('error', () => {});
  server.child.stdin.write('x'.repeat(33 * 1024 * 1024));
  expect(await once(server.child, 'exit')).toEqual([0, null]);
  expect(server.stderr.join('')).toContain('exceeded maximum size');
});

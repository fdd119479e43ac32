import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { lacking } from '../e2e/claude-runs.ts';
import { say, startModelServer } from '../fakes/model-server.ts';
import { startServer } from '../protocol/server.ts';
import { example, startExample } from './run-example.ts';

const secret = `whsec_${Buffer.from('a secret of the receiver, 32 bytes').toString('base64')}`;
const dir = mkdtempSync(join(tmpdir(), 'runyard-received-'));
const shared: { receiver?: Receiver } = {};
afterAll(() => {
  shared.receiver?.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Receiver {
  readonly url: string;
  /** What it printed of the messages so far. */
  lines(): string[];
  /** The names of the files that it keeps. */
  kept(): string[];
  stop(): void;
}

beforeAll(async () => {
  const { child, printed } = startExample([example('webhook-receiver/main.ts'), dir, '0'], { HOOK_SECRET: secret });
  const url = await vi.waitFor(() => /http:\S+(?=\n)/.exec(printed.stdout)![0], { timeout: 20_000 });
  shared.receiver = {
    url,
    lines: () => printed.stdout.trimEnd().split('\n').slice(1),
    kept: () => readdirSync(dir),
    stop: () => void child.kill(),
  };
});

const title = lacking === undefined ? 'a real task' : `(skipped: needs ${lacking})`;

describe.skipIf(lacking !== undefined)(title, { timeout: 120_000 }, () => {
  test('is told to the receiver, which keeps what it was told', async () => {
    const model = await startModelServer([say('There was a young queue …')], { key: 'sk-test' });
    onTestFinished(() => model.close());
    const { host, port } = new URL(shared.receiver!.url);
    const server = await startServer({
      env: {
        ...{ ANTHROPIC_API_KEY: 'sk-test', ANTHROPIC_BASE_URL: model.url, HOOK_SECRET: secret },
        ...{ RUNYARD_SECRETS: `env:HOOK_SECRET webhook@127.0.0.1:${port}`, RUNYARD_CALLBACK_ALLOW: host },
      },
    });
    onTestFinished(async () => void (await server.stop()));
    const response = await fetch(`${server.url}/v1/tools/run_claude_task`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.token()}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ prompt: 'Write a limerick about queues.', wait_seconds: 0 },
        ...{ callback_url: `${shared.receiver!.url}/`, metadata: { ticket: 'T-1' } },
      }),
    });
    const { task_id } = (await response.json()) as { task_id: string };
    await expect.poll(() => shared.receiver!.lines(), { timeout: 100_000 }).toEqual([`task.succeeded ${task_id}`]);
    expect(JSON.parse(readFileSync(join(dir, `msg_${task_id}.json`), 'utf8'))).toMatchObject({
      type: 'task.succeeded',
      data: { task_id, metadata: { ticket: 'T-1' }, success: true, response: 'There was a young queue …' },
    });
  });
});

describe('the receiver', () => {
  const body = JSON.stringify({
    type: 'task.failed',
    timestamp: '2026-11-21T00:00:00Z',
    data: { task_id: 't', owner: 'o' },
  });

  async function send({ id = 'msg_1', at = new Date(), sent = body, key = secret } = {}) {
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(key).sign(id, at, body),
    };
    return (await fetch(shared.receiver!.url, { method: 'POST', headers, body: sent })).status;
  }
  const minutesFromNow = (minutes: number) => new Date(Date.now() + minutes * 60_000);

  test('acts once on an id, also where the same comes many times at once or with a newer time', async () => {
    const before = shared.receiver!.lines().length;
    expect(await Promise.all(Array.from({ length: 8 }, () => send()))).toEqual(Array(8).fill(200));
    expect(await send({ at: minutesFromNow(1) })).toBe(200);
    const lines = () => shared.receiver!.lines().slice(before).toSorted();
    await expect.poll(lines).toEqual([...Array(8).fill('came again: msg_1'), 'task.failed t']);
    expect(shared.receiver!.kept()).toContain('msg_1.json');
  });

  test.for([
    ['another body', { sent: body.replace('failed', 'succeeded') }, 401, /No matching signature/],
    [
      'another secret',
      { key: `whsec_${Buffer.from('of somebody else').toString('base64')}` },
      401,
      /No matching signature/,
    ],
    ['a time that is long past', { at: minutesFromNow(-6) }, 401, /too old/],
    ['a time that is far ahead', { at: minutesFromNow(6) }, 401, /too new/],
    ['an id that climbs', { id: '../../etc/x' }, 400, /no signed message/],
  ] as const)('refuses %s', async ([, message, status, line]) => {
    const before = shared.receiver!.kept();
    const linesBefore = shared.receiver!.lines().length;
    expect(await send({ id: 'msg_2', ...message })).toBe(status);
    await expect.poll(() => shared.receiver!.lines().slice(linesBefore)).toEqual([expect.stringMatching(line)]);
    expect(shared.receiver!.kept()).toEqual(before);
  });

  test('refuses what is not signed at all', async () => {
    const before = shared.receiver!.kept();
    expect((await fetch(shared.receiver!.url, { method: 'POST', body })).status).toBe(400);
    expect(shared.receiver!.kept()).toEqual(before);
  });
});

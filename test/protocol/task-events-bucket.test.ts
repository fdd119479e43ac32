import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type Google, startGoogle } from '../fakes/google/yard.ts';
import { startServer, type TestServer } from './server.ts';
import { allOf, firstOf, openEvents } from './sse.ts';

/** `GET /v1/tasks/{id}/events` where nothing is told and everything is looked for: Cloud Run and a bucket. */

const shared: { google?: Google; server?: TestServer } = {};
beforeAll(async () => {
  shared.google = await startGoogle();
  shared.server = await startServer({ env: shared.google.env });
});
afterAll(async () => {
  await shared.server?.stop();
  await shared.google?.close();
});

const answered = z.looseObject({ task_id: z.string(), status: z.string() });

test('lines come while two runs go on; cut and gone on with, each comes once', async () => {
  const { url, token } = shared.server!;
  const headers = { Authorization: `Bearer ${token()}`, 'Content-Type': 'application/json' };
  const code = 'echo $RUNYARD_RUN begins; sleep 5; echo $RUNYARD_RUN ends';
  const body = JSON.stringify({ language: 'bash', code, runs: 2, wait_seconds: 0 });
  const told = async (answer: Response) => answered.parse(await answer.json());
  const { task_id } = await told(await fetch(`${url}/v1/tools/execute_code`, { method: 'POST', headers, body }));
  const events = `${url}/v1/tasks/${task_id}/events`;

  const before = await firstOf(await openEvents(events, { headers }), 1);
  expect((await told(await fetch(`${url}/v1/tasks/${task_id}`, { headers }))).status).toBe('running');
  const after = await allOf(
    await openEvents(events, { headers: { ...headers, 'Last-Event-ID': String(before.at(-1)?.id) } }),
  );
  for (const run of [0, 1]) {
    const lines = [...before, ...after].filter(({ event, data }) => event === 'line' && data.run === run);
    expect(lines.map(({ data }) => data.seq)).toEqual(lines.map((_, seq) => seq));
    const printed = lines.filter(({ data }) => data.stream === 'stdout').map(({ data }) => data.text);
    expect(printed).toEqual([`${run} begins`, `${run} ends`]);
  }
  expect(after.at(-1)).toMatchObject({
    event: 'result',
    data: { status: 'succeeded', runs: [{ run: 0 }, { run: 1 }] },
  });
});

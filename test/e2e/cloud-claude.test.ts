import { randomBytes } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { startGoogle } from '../fakes/google/yard.ts';
import { say, startModelServer, useBash } from '../fakes/model-server.ts';
import { lacking } from './claude-runs.ts';
import { createHome, filesHolding, serve } from './served.ts';

const { home, remove } = createHome();
afterAll(remove);

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'run_claude_task on Cloud Run' : `(skipped: needs ${lacking})`,
  () => {
    test('C4, prior C8c: answers from its container; credential and prompt are sealed wherever they lie or travel', async () => {
      const key = `sk-ant-${randomBytes(12).toString('hex')}`;
      const prompt = `Say the word. ${randomBytes(12).toString('hex')}`;
      const upstream = await startModelServer([useBash('echo made > output/made.txt'), say('The word.')], { key });
      const google = await startGoogle({ storage: 'ours' });
      const sealed: Buffer[] = [];
      const served = await serve(home, { ...google.env, ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: upstream.url });
      google.run.plan({ startDelayMs: 500 });
      const { task_id: taskId } = await served.call('run_claude_task', { prompt, wait_seconds: 0 });
      const objects = google.storageServer!.objects(google.place.bucket);
      sealed.push(...[...objects.values()].map(({ bytes }) => Buffer.from(bytes)));
      expect(await served.call('get_task_logs', { task_id: taskId, wait_seconds: 60 })).toMatchObject({
        result: {
          status: 'succeeded',
          response: 'The word.',
          artifacts: [
            expect.objectContaining({ path: 'output/made.txt', text: 'made\n' }),
            expect.objectContaining({ path: 'transcript.jsonl' }),
          ],
        },
      });
      const execution = google.run.executions()[0]!;
      const stored = [...sealed, ...[...objects.values()].map(({ bytes }) => Buffer.from(bytes))];
      const told = [
        ...google.run.requests.map(({ body }) => body),
        JSON.stringify(execution.spec),
        google.run.logOf(execution, 0),
      ];
      for (const secret of [key, prompt]) {
        expect(stored.filter((bytes) => bytes.includes(secret))).toEqual([]);
        expect(told.filter((text) => text.includes(secret))).toEqual([]);
        expect(filesHolding(home, secret)).toEqual([]);
      }
      await served.close();
      await google.close();
      await upstream.close();
    });
  },
);

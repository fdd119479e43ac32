import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { insertObject } from '../fakes/google/storage-objects.ts';
import { startGoogle } from '../fakes/google/yard.ts';
import { type ModelServer, modelBody, say, startModelServer } from '../fakes/model-server.ts';
import { lacking } from './claude-runs.ts';
import { createHome, type Served, serve } from './served.ts';

/** The operator's default prompt on its way to the model. */

const { home, remove } = createHome();
afterAll(remove);

const key = 'sk-ant-api03-of-the-operator';

async function serveWith(env: Record<string, string>): Promise<{ served: Served; upstream: ModelServer }> {
  const upstream = await startModelServer([say('done')], { key });
  const served = await serve(home, { ...env, ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: upstream.url });
  onTestFinished(async () => {
    await served.close();
    await upstream.close();
  });
  return { served, upstream };
}

/** What the model was told last of who it is. */
function systemOf({ requests }: ModelServer): string {
  const asked = requests.filter(({ method, url }) => method === 'POST' && url.startsWith('/v1/messages?'));
  return JSON.stringify(modelBody.parse(JSON.parse(asked.at(-1)?.body ?? '{}')).system);
}

describe.skipIf(lacking !== undefined)(
  `the operator's default prompt${lacking === undefined ? '' : ` (skipped: needs ${lacking})`}`,
  () => {
    test('in a file: changed between two tasks, before what the caller appends, and replaced by what the caller gives', async () => {
      const file = join(home, 'prompt.md');
      writeFileSync(file, 'OPERATOR-ONE');
      const { served, upstream } = await serveWith({ RUNYARD_SYSTEM_PROMPT: `@${file}` });
      const run = async (fields: object) => {
        const output = await served.call('run_claude_task', { prompt: 'x', ...fields });
        expect(output).toMatchObject({ status: 'succeeded' });
        return systemOf(upstream);
      };
      expect(await run({})).toContain('OPERATOR-ONE');
      writeFileSync(file, 'OPERATOR-TWO');
      const second = await run({ append_system_prompt: 'CALLER-AFTER' });
      expect(second).toContain('OPERATOR-TWO\\n\\nCALLER-AFTER');
      expect(second).not.toContain('OPERATOR-ONE');
      const replaced = await run({ system_prompt: 'CALLER-ALONE' });
      expect(replaced).toContain('CALLER-ALONE');
      expect(replaced).not.toContain('OPERATOR');
    });

    test('in a stored object and in a secret, on Cloud Run', async () => {
      const google = await startGoogle({ storage: 'ours' });
      onTestFinished(() => google.close());
      const objects = google.storageServer!.objects(google.place.bucket);
      const store = (text: string) => {
        objects.delete('prompts/default.md');
        insertObject(objects, 'prompts/default.md', Buffer.from(text), {}, {});
      };
      store('OBJECT-ONE');
      const place = `gs://${google.place.bucket}/prompts/default.md`;
      const first = await serveWith({ ...google.env, RUNYARD_SYSTEM_PROMPT: place });
      await first.served.call('run_claude_task', { prompt: 'x' });
      expect(systemOf(first.upstream)).toContain('OBJECT-ONE');
      store('OBJECT-TWO');
      await first.served.call('run_claude_task', { prompt: 'x' });
      expect(systemOf(first.upstream)).toContain('OBJECT-TWO');

      google.secretManager.addVersion('projects/a-project/secrets/prompt', 'SECRET-ONE');
      const second = await serveWith({ ...google.env, RUNYARD_SYSTEM_PROMPT: 'secret-manager:prompt' });
      await second.served.call('run_claude_task', { prompt: 'x' });
      expect(systemOf(second.upstream)).toContain('SECRET-ONE');
      google.secretManager.addVersion('projects/a-project/secrets/prompt', 'SECRET-TWO');
      await second.served.call('run_claude_task', { prompt: 'x' });
      expect(systemOf(second.upstream)).toContain('SECRET-TWO');
    });
  },
);

test('one that cannot be read starts nothing, and the same call goes on once it can', async () => {
  const file = join(home, 'missing.md');
  const { served } = await serveWith({ RUNYARD_SYSTEM_PROMPT: `@${file}` });
  const before = await served.call('list_tasks', {});
  const call = { prompt: 'x', setup_commands: ['exit 7'], idempotency_key: 'with a prompt' };
  expect(await served.refusal('run_claude_task', call)).toMatch(
    /^backend_error: The operator's default prompt cannot be read, so nothing was started\. There is none that this server can see\.\n.*RUNYARD_SYSTEM_PROMPT/,
  );
  expect(await served.call('list_tasks', {})).toEqual(before);
  // A task of no Claude needs none.
  expect(await served.call('execute_code', { language: 'bash', code: 'echo hi' })).toMatchObject({ stdout: 'hi\n' });
  writeFileSync(file, 'Be brief.');
  expect(await served.call('run_claude_task', call)).toMatchObject({ error: { code: 'command_failed' } });
  rmSync(file);
  // What was acknowledged is not begun again, and needs no prompt.
  expect(await served.call('run_claude_task', call)).toMatchObject({ error: { code: 'command_failed' } });
});

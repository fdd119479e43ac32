import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { keys } from '../../src/contracts/keys.ts';
import { taskRecord } from '../../src/contracts/task.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';
import { createHome, serve } from './served.ts';

const { home, remove } = createHome();
afterAll(remove);

const advertised = z.object({
  properties: z.record(z.string(), z.looseObject({ default: z.unknown().optional(), maximum: z.unknown().optional() })),
});

test.each([
  ['execute_code', { language: 'bash', code: 'true' }],
  ['run_claude_task', { prompt: 'x', setup_commands: ['exit 7'] }],
])(
  'prior A9c E5a: the defaults that %s advertises are those of its tasks, and its limits are kept',
  async (name, input) => {
    const served = await serve(home, { ANTHROPIC_API_KEY: 'sk-test', ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' });
    const tool = (await served.client.listTools()).tools.find((each) => each.name === name);
    const { properties } = advertised.parse(tool?.inputSchema);
    const { task_id } = z.object({ task_id: z.string() }).parse(await served.call(name, input));
    const store = createFilesystemStore({ dir: join(home, 'store') });
    const record = taskRecord.parse(JSON.parse(String(await store.read(keys.record(task_id)))));
    await store.close();
    expect(record).toMatchObject({
      timeoutSeconds: properties.timeout_seconds?.default,
      size: properties.size?.default,
      runs: properties.runs?.default,
    });
    for (const field of ['timeout_seconds', 'wait_seconds', 'runs']) {
      const above = { ...input, [field]: Number(properties[field]?.maximum) + 1 };
      expect(await served.refusal(name, above)).toMatch(new RegExp(`^invalid_request: ${field}: `));
    }
    await served.close();
  },
);

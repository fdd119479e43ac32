import { afterAll, expect, test } from 'vitest';
import { createLauncher } from '../../src/sandbox/cloud-run-launcher/index.ts';
import { lacking, useClaude } from '../e2e/claude-runs.ts';
import { makeLauncherInstance } from '../fakes/launcher/instance.ts';
import { say, useBash } from '../fakes/model-answers.ts';

const instance = makeLauncherInstance();
afterAll(() => instance.remove());
const run = useClaude((options) => createLauncher({ ...options, launcherPath: instance.path }));

for (const permissionMode of ['bypassPermissions', 'acceptEdits'] as const) {
  test.skipIf(lacking !== undefined)(
    `Claude works inside, and reaches the model through the door alone, with ${permissionMode} (needs ${lacking ?? 'nothing'})`,
    async () => {
      const { result, upstream, artifact } = await run(
        [useBash('echo from inside > output/note; id -u; env | grep -c "sk-ant-api03" || true'), say('All done.')],
        { permissionMode, allowedTools: ['Bash'] },
      );
      expect(result).toMatchObject({
        status: 'succeeded',
        sandbox: { technology: 'cloud-run-launcher', network: 'gateway' },
      });
      expect(result.claude?.response).toBe('All done.');
      expect(await artifact('output/note')).toBe('from inside\n');
      expect(upstream.requests.length).toBeGreaterThan(1);
    },
  );
}

import { expect, test } from 'vitest';
import { createContainer } from '../../src/sandbox/container/index.ts';
import { useClaude } from '../e2e/claude-runs.ts';
import { say, useBash } from '../fakes/model-answers.ts';
import { describeContainer } from '../sandbox/container-bench.ts';

describeContainer('Claude in a container', ({ image }) => {
  const run = useClaude(({ slots }) => createContainer({ image: image(), env: process.env, slots }));

  for (const permissionMode of ['bypassPermissions', 'acceptEdits'] as const) {
    test(`works inside, and reaches the model through the door alone, with ${permissionMode}`, async () => {
      const { result, upstream, artifact } = await run(
        [useBash('echo from inside > output/note; id -u; env | grep -c "sk-ant-api03" || true'), say('All done.')],
        { permissionMode, allowedTools: ['Bash'] },
      );
      expect(result).toMatchObject({
        status: 'succeeded',
        sandbox: { technology: 'container', network: 'gateway' },
      });
      expect(result.claude?.response).toBe('All done.');
      expect(await artifact('output/note')).toBe('from inside\n');
      expect(upstream.requests.length).toBeGreaterThan(1);
    });
  }

  test('is told to stop, and leaves nothing', async () => {
    const { result } = await run([useBash('sleep 600'), say('never')], {
      allowedTools: ['Bash'],
      stopAt: ({ stream }) => stream === 'claude',
      stopReason: 'cancelled',
    });
    expect(result.status).toBe('cancelled');
  });
});

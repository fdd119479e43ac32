import { describe, expect, test } from 'vitest';
import { usualPatience } from '../../src/runner/patience.ts';
import { contention } from '../bench/load.ts';
import { say, useBash, useTool } from '../fakes/model-server.ts';
import { lacking, useClaude } from './claude-runs.ts';

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'the commands around a Claude task' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();

    test('those after Claude see what it did, one after the other, with nothing to read', async () => {
      const { result, events } = await run([useBash('echo made > made.txt'), say('ok')], {
        setupCommands: ['echo before'],
        finishCommands: ['cat made.txt', 'cat; mkdir -p output; wc -c < made.txt > output/size; echo last >&2'],
      });
      expect(result).toMatchObject({
        status: 'succeeded',
        exitCode: 0,
        stdout: 'before\nmade\n',
        stderr: 'last\n',
        claude: { response: 'ok' },
      });
      expect(result.artifacts.map(({ path }) => path)).toContain('output/size');
      expect(events.filter(({ stream }) => stream === 'phase').map(({ text }) => text)).toEqual([
        'setup 1 begins',
        'claude begins',
        'finish 1 begins',
        'finish 2 begins',
      ]);
      expect(events.filter(({ stream }) => stream === 'stdout').map(({ text }) => text)).toEqual(['before', 'made']);
    });

    test('prior C2a: one that fails ends the task with its text; the answer is kept, and is the answer alone', async () => {
      const { result } = await run([useTool('StructuredOutput', { a: 1 })], {
        outputSchema: { type: 'object', properties: { a: { type: 'number' } } },
        finishCommands: ['echo banner', 'echo why >&2; exit 4', 'echo never'],
      });
      expect(result).toMatchObject({
        status: 'failed',
        exitCode: 4,
        error: { code: 'command_failed', message: '`echo why >&2; exit 4` ended with exit 4' },
        stdout: 'banner\n',
        stderr: 'why\n',
        claude: { structuredOutput: { a: 1 }, numTurns: expect.any(Number) },
      });
      expect(result.claude?.response).not.toContain('banner');
    });

    test('after a Claude that failed there are none', async () => {
      const { result } = await run(() => useBash('true'), { maxTurns: 1, finishCommands: ['touch output/never'] });
      expect(result).toMatchObject({ status: 'failed', error: { code: 'max_turns' } });
      expect(result.artifacts.map(({ path }) => path)).not.toContain('output/never');
    });

    test('each has a time of its own, and takes with it what it started', async () => {
      const commandMs = 500 * Math.ceil(3 * contention());
      const patience = { ...usualPatience, commandMs };
      const before = await run([say('never')], {
        setupCommands: ['setsid sleep 300 & sleep 300'],
        patience,
      });
      expect(before.result).toMatchObject({
        status: 'failed',
        error: {
          code: 'command_failed',
          message: `\`setsid sleep 300 & sleep 300\` took longer than ${commandMs / 1000} s, which is the limit, and was stopped.`,
        },
      });
      expect(before.upstream.requests).toEqual([]);
      const after = await run([useBash('sleep 2; mkdir -p output; echo kept > output/kept'), say('ok')], {
        finishCommands: ['true', 'sleep 300'],
        patience,
      });
      expect(after.result).toMatchObject({
        status: 'failed',
        error: {
          code: 'command_failed',
          message: expect.stringContaining(`\`sleep 300\` took longer than ${commandMs / 1000} s`),
        },
        claude: { response: 'ok' },
      });
      expect(after.result.artifacts.map(({ path }) => path)).toContain('output/kept');
      expect(after.durationMs).toBeLessThan(25_000 * contention());
    });

    test('a cancel in the midst of one is a cancel, and the answer is kept', async () => {
      const { result } = await run([say('ok')], {
        finishCommands: ['echo begun; sleep 300'],
        stopAt: ({ text }) => text === 'begun',
      });
      expect(result).toMatchObject({ status: 'cancelled', claude: { response: 'ok' } });
    });
  },
);

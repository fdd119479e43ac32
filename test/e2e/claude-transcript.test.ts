import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createTranscript } from '../../src/runner/claude/transcript.ts';
import { contention } from '../bench/load.ts';
import { say, toolResults, useBash, useTool } from '../fakes/model-server.ts';
import { type ClaudeRun, lacking, useClaude } from './claude-runs.ts';

const line = z.looseObject({
  type: z.string(),
  parent_tool_use_id: z.string().nullish(),
  message: z.looseObject({ role: z.string(), content: z.unknown() }).optional(),
});

async function transcriptOf({ artifact }: ClaudeRun) {
  const text = (await artifact('transcript.jsonl')) ?? '';
  return text
    .trimEnd()
    .split('\n')
    .map((each) => line.parse(JSON.parse(each)));
}

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'the transcript of a Claude task' : `(skipped: needs ${lacking})`,
  () => {
    const run = useClaude();

    test('row 19: holds the whole conversation, with what its agents said and did', async () => {
      const done = await run(({ turn, body }) => {
        if (JSON.stringify(body.messages[0]).includes('COUNT-THE-FILES'))
          return turn === 0 ? useBash('echo seen-by-the-agent') : say('the agent counted seven');
        if (turn === 0)
          return useTool('Agent', { description: 'x', prompt: 'COUNT-THE-FILES', subagent_type: 'general-purpose' });
        return say(toolResults(body).join().includes('counted seven') ? 'Seven.' : 'lost');
      });
      expect(done.result).toMatchObject({ status: 'succeeded', claude: { response: 'Seven.' } });
      const lines = await transcriptOf(done);
      const own = lines.filter(({ parent_tool_use_id }) => parent_tool_use_id === null);
      const agents = lines.filter(({ parent_tool_use_id }) => typeof parent_tool_use_id === 'string');
      expect(JSON.stringify(own)).toContain('"text":"Seven."');
      expect(JSON.stringify(agents)).toContain('COUNT-THE-FILES');
      expect(JSON.stringify(agents)).toContain('seen-by-the-agent');
      expect(JSON.stringify(agents)).toContain('"text":"the agent counted seven"');
      expect(lines.at(-1)?.type).toBe('result');
      const [artifact] = done.result.artifacts;
      expect(artifact).toMatchObject({ path: 'transcript.jsonl', sizeBytes: expect.any(Number) });
      expect(artifact).not.toHaveProperty('text');
    });

    test("a file of the run's own with that name does not take its place", async () => {
      const done = await run([useBash('echo FORGED > transcript.jsonl; mkdir output; echo o > output/o'), say('ok')], {
        artifacts: ['*.jsonl'],
      });
      expect(done.result.artifacts.map(({ path }) => path)).toEqual(['output/o', 'transcript.jsonl']);
      expect((await transcriptOf(done)).map(({ type }) => type)).toContain('result');
      expect(done.events.find(({ stream }) => stream === 'phase')?.text).toContain('transcript.jsonl');
    });

    test('is kept of a run that is cancelled, that runs out of time, or that fails', async () => {
      const script = [useBash('echo from-the-shell'), useBash('echo now; sleep 300')];
      const cancelled = await run(script, { stopAt: ({ data }) => JSON.stringify(data ?? '').includes('echo now') });
      expect(cancelled.result.status).toBe('cancelled');
      expect(JSON.stringify(await transcriptOf(cancelled))).toContain('from-the-shell');
      const late = await run(script, { timeoutSeconds: Math.round(8 * contention()) });
      expect(late.result.status).toBe('timed_out');
      expect(JSON.stringify(await transcriptOf(late))).toContain('from-the-shell');
      const failed = await run(script, { maxTurns: 1 });
      expect(failed.result.status).toBe('failed');
      expect(JSON.stringify(await transcriptOf(failed))).toContain('from-the-shell');
    });

    test('of a run in which Claude never began there is none', async () => {
      const { result } = await run([say('never')], { setupCommands: ['false'] });
      expect(result.artifacts).toEqual([]);
    });
  },
);

test('a transcript that does not fit says so at its end, and has no holes', () => {
  const transcript = createTranscript(40);
  for (const message of ['{"n":1}', `{"n":"${'x'.repeat(40)}"}`, '{"n":3}']) transcript.add(message);
  expect(transcript.bytes().toString()).toBe('{"n":1}\n{"type":"runyard_cut","left_out":2}\n');
});

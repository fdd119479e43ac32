import { describe, expect, test } from 'vitest';
import { contention } from '../bench/load.ts';
import { fail, inOrder, say, useBash } from '../fakes/model-server.ts';
import { lacking, useClaude } from './claude-runs.ts';

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'how a Claude task ends' : `(skipped: needs ${lacking})`,
  { timeout: 150_000 },
  () => {
    const run = useClaude();

    test('a wrong key ends it at once and is named', async () => {
      const { result, upstream, durationMs } = await run([say('never')], { key: 'sk-ant-wrong' });
      expect(result).toMatchObject({
        status: 'failed',
        error: {
          code: 'model_error',
          message: expect.stringMatching(/^The model endpoint answered 401 \(authentication_error\)\. Claude said: /),
        },
      });
      expect(upstream.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
      expect(durationMs).toBeLessThan(20_000 * contention());
      expect(JSON.stringify(result)).not.toContain('sk-ant-wrong');
    });

    test('an endpoint that is not there ends it soon and is named', async () => {
      const { result, durationMs } = await run([], { baseUrl: 'http://127.0.0.1:9' });
      expect(result).toMatchObject({
        status: 'failed',
        error: {
          code: 'model_error',
          message: expect.stringContaining('The model endpoint could not be reached (ECONNREFUSED).'),
        },
      });
      expect(durationMs).toBeLessThan(25_000 * contention());
    });

    test('prior E5e: a busy endpoint and a broken answer are tried again', async () => {
      const { result, upstream } = await run(
        inOrder([fail(529, { retryAfterSeconds: 0 }), say('lost on the way', { breakOffAfterEvents: 3 }), say('ok')]),
      );
      expect(result).toMatchObject({ status: 'succeeded', claude: { response: 'ok' } });
      expect(upstream.requests.filter(({ method }) => method === 'POST')).toHaveLength(3);
    });

    test('the time limit ends it, naming an endpoint that was failing', async () => {
      const timeoutSeconds = Math.round(6 * contention());
      const { result, durationMs } = await run(() => fail(429, { retryAfterSeconds: 1 }), { timeoutSeconds });
      expect(result.status).toBe('timed_out');
      expect(result.error).toEqual({
        code: 'timed_out',
        message: `The run reached its time limit of ${timeoutSeconds} s and was stopped. The model endpoint answered 429 (rate_limit_error).`,
      });
      expect(durationMs).toBeLessThan(timeoutSeconds * 1000 + 6000 * contention());
    });

    test('a cancel ends claude, its shell and the call to the model; what it left is kept', async () => {
      const { result, durationMs } = await run(
        [
          useBash('mkdir -p output; echo kept > output/file; echo now > /proc/$PPID/fd/1; setsid sleep 300'),
          say('never'),
        ],
        { stopAt: ({ text }) => text === 'now', setupCommands: ['true'] },
      );
      expect(result).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } });
      expect(result.claude).toMatchObject({ response: '', usage: { outputTokens: expect.any(Number) } });
      expect(result.claude?.usage.inputTokens).toBeGreaterThan(0);
      expect(result.artifacts.map(({ path, text }) => [path, text])).toEqual([
        ['output/file', 'kept\n'],
        ['transcript.jsonl', undefined],
      ]);
      expect(durationMs).toBeLessThan(20_000 * contention());
    });

    test('time that runs out in the middle of an answer ends the call to the endpoint too', async () => {
      const { result, upstream } = await run([say('slow '.repeat(1000), { betweenEventsMs: 500 })], {
        timeoutSeconds: Math.round(8 * contention()),
      });
      expect(result.status).toBe('timed_out');
      await upstream.abandoned;
    });

    test('too much memory is told as that', async () => {
      const hog = 'python3 -c "import time; a=[bytearray(1<<20) for _ in range(4000)]; time.sleep(60)"';
      const { result } = await run([say('never')], { setupCommands: [hog] });
      expect(result).toMatchObject({
        status: 'failed',
        error: { code: expect.stringMatching(/out_of_memory|command_failed/) },
      });
    });

    test('a program of claude that floods its log is stopped', async () => {
      const flood = `yes '{"type":"flood","padding":"${'x'.repeat(4000)}"}' > /proc/$PPID/fd/1`;
      const { result, events } = await run([useBash(flood), say('never')]);
      expect(result).toMatchObject({ status: 'failed', error: { code: 'output_limit' } });
      expect(events.length).toBeGreaterThan(1000);
    });

    test('JSON that is nested without end, or is no object, is plain output', async () => {
      const deep = 'n=20000; print("{\\"a\\":" * n + "1" + "}" * n + "\\n[1]\\n{broken")';
      const { result, events } = await run([useBash(`python3 -c '${deep}' > /proc/$PPID/fd/1`), say('ok')]);
      expect(result).toMatchObject({ status: 'succeeded', claude: { response: 'ok' } });
      const lines = events.filter(({ stream }) => stream === 'stdout').map(({ text }) => text?.slice(-20));
      expect(lines).toEqual(expect.arrayContaining(['}'.repeat(20), '[1]', '{broken']));
    });
  },
);

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { usualPatience } from '../../src/runner/patience.ts';
import { contention } from '../bench/load.ts';
import { say, useBash } from '../fakes/model-server.ts';
import { type ClaudeRun, lacking, type RunOptions, useClaude } from './claude-runs.ts';

/** Sleeps for a time that nobody else sleeps for, so that it is found among all processes of the machine. */
const mark = `30${process.pid}.25`;
const sleeper = `setsid sleep ${mark}`;

function sleepersLeft(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark);
    } catch {
      return false; // It has just ended.
    }
  });
}

const endOf = ({ result }: ClaudeRun) => Date.parse(result.startedAt) + result.durationMs;
/** Between what happened last inside and the end, in ms. */
const afterLast = (run: ClaudeRun, what: string) =>
  endOf(run) -
  Date.parse(run.events.filter(({ data, text }) => `${text}${JSON.stringify(data)}`.includes(what)).at(-1)?.time ?? '');

describe.skipIf(lacking !== undefined)(
  lacking === undefined ? 'a Claude task that must end' : `(skipped: needs ${lacking})`,
  { timeout: 150_000 },
  () => {
    const run = useClaude();
    const script = [
      useBash(
        `trap "" TERM INT HUP; mkdir -p output; echo partial > output/part; (${sleeper} &) ; ${sleeper} & echo "now" > /proc/$PPID/fd/1; sleep 300`,
      ),
      say('never'),
    ];
    // Claude's tools put their children into sessions of their own, out of reach of a signal to its group. These here
    // ignore what asks them to end, too.
    const withSleepers = async (options: RunOptions): Promise<ClaudeRun> => {
      const seen = { alive: 0 };
      const stopAt: RunOptions['stopAt'] = (event) => {
        seen.alive = Math.max(seen.alive, sleepersLeft().length);
        return options.stopAt?.(event) ?? false;
      };
      const done = await run(script, { ...options, stopAt });
      expect(sleepersLeft()).toEqual([]);
      // It was there, or its absence would prove nothing.
      expect(seen.alive).toBeGreaterThan(0);
      expect(done.result.artifacts.map(({ path }) => path)).toEqual(['output/part', 'transcript.jsonl']);
      expect(done.result.artifacts[0]?.text).toBe('partial\n');
      return done;
    };

    test('in silence is ended as timed_out, with all that it started, and what it left is kept', async () => {
      // Its start is silent too, and longer where the machine is busy.
      const silenceMs = 1000 * Math.min(40, Math.ceil(4 * contention()));
      // Its time limit is later than its start and its silence take together.
      const done = await withSleepers({ patience: { ...usualPatience, silenceMs }, timeoutSeconds: 120 });
      expect(done.result).toMatchObject({
        status: 'timed_out',
        exitCode: null,
        error: {
          code: 'timed_out',
          message: expect.stringContaining(
            `Claude said nothing for ${silenceMs / 1000} s, which is the limit, and was`,
          ),
        },
      });
      expect(afterLast(done, 'now')).toBeGreaterThan(silenceMs - 100);
      expect(afterLast(done, 'now')).toBeLessThan(silenceMs + 5000 * contention());
    });

    test('prior A4a A5a A5b: by a cancel is gone within 5 s, with what had left its session', async () => {
      const done = await withSleepers({ stopAt: ({ text }) => text === 'now' });
      expect(done.result.status).toBe('cancelled');
      expect(afterLast(done, 'now')).toBeLessThan(5000 * contention());
    });

    test('prior A5a A5b C3a: by its time limit is gone within 5 s, with what had left its session', async () => {
      const timeoutSeconds = Math.round(10 * contention());
      const done = await withSleepers({ timeoutSeconds });
      expect(done.result.status).toBe('timed_out');
      expect(done.result.durationMs).toBeLessThan(timeoutSeconds * 1000 + 5000 * contention());
    });

    test('prior A5b C3a: for its memory takes with it what had left its session', async () => {
      const hog = 'python3 -c "import time; a=[bytearray(1<<20) for _ in range(4000)]; time.sleep(60)"';
      const { result } = await run([say('never')], {
        setupCommands: [`mkdir -p output; echo partial > output/part; ${sleeper} & ${hog}`],
      });
      expect(result.error?.code).toMatch(/out_of_memory|command_failed/);
      expect(result.artifacts).toMatchObject([{ path: 'output/part', text: 'partial\n' }]);
      expect(sleepersLeft()).toEqual([]);
    });

    test('that speaks now and then is not silent', async () => {
      const talk = Array.from({ length: 4 }, (_, turn) => useBash(`sleep 1.5; echo ${turn}`));
      const done = await run([...talk, say('done')], {
        patience: { ...usualPatience, silenceMs: Math.round(5000 * contention()) },
      });
      expect(done.result).toMatchObject({ status: 'succeeded', claude: { response: 'done' } });
      expect(done.result.durationMs).toBeGreaterThan(6000);
    });
  },
);

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createHome, serve } from '../e2e/served.ts';
import { say, startModelServer } from '../fakes/model-server.ts';
import type { Row } from './report.ts';
import { alternately, inMs, median } from './statistics.ts';

const claude = fileURLToPath(new URL('../../node_modules/.bin/claude', import.meta.url));
const rounds = { rounds: 10, pauseMs: 200 };
const prompt = 'Say that you are ready.';
const key = 'sk-ant-api03-of-the-bench';
/** The CLI starts on more than one processor; the bare one has all of them, and the smallest size has one. */
const size = 'medium';

/** What a Claude task costs besides the CLI: until the first request is at the model's server, against the CLI alone. */
export async function claudeRows(): Promise<Row[]> {
  const askedAt: number[] = [];
  const model = await startModelServer(() => {
    askedAt.push(performance.now());
    return say('Ready.');
  });
  const { home, remove } = createHome();
  const served = await serve(home, { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: model.url });
  /** Milliseconds from here until the first question of `work`. */
  const untilAsked = async (work: () => Promise<unknown>) => {
    const before = askedAt.length;
    const startedAt = performance.now();
    await work();
    const first = askedAt[before];
    if (first === undefined) throw new Error('the model was never asked');
    return first - startedAt;
  };
  try {
    const { ours, bare } = await alternately(
      {
        ours: () => untilAsked(() => served.call('run_claude_task', { prompt, size, wait_seconds: 60 })),
        bare: () => untilAsked(() => runBare(model.url)),
      },
      rounds,
    );
    return [
      {
        what: 'run_claude_task: call to model, own share',
        ours: inMs(ours),
        against: `claude -p: ${inMs(bare)}`,
        value: median(ours) - median(bare),
        floor: { kind: 'below', value: 150, unit: 'ms' },
      },
    ];
  } finally {
    await served.close();
    await model.close();
    remove();
  }
}

/** What one would type without Runyard, with as little to load as our tasks have. */
async function runBare(baseUrl: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'runyard-bare-claude-'));
  const options = ['--output-format=stream-json', '--verbose', '--setting-sources=', '--strict-mcp-config'];
  const child = spawn(claude, ['-p', '--permission-mode=bypassPermissions', '--no-session-persistence', ...options], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      ANTHROPIC_API_KEY: key,
      ANTHROPIC_BASE_URL: baseUrl,
      IS_SANDBOX: '1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
    },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.stdin.end(prompt);
  const [code] = await once(child, 'exit');
  rmSync(folder, { recursive: true, force: true });
  if (code !== 0) throw new Error(`claude -p ended with ${code}`);
}

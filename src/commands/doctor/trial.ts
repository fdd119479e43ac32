import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type App, createApp } from '../../app.ts';
import type { Config } from '../../config.ts';
import { asRunyardError, RunyardError } from '../../contracts/errors.ts';
import type { Finding } from '../../contracts/sandbox.ts';
import type { CodeSpec, RunResult } from '../../contracts/task.ts';
import { silentLogger } from '../../lib/logger.ts';
import { inScratchHome } from './scratch.ts';

const programs = {
  python: 'print(42)',
  bash: 'echo 42',
} as const satisfies Partial<Record<CodeSpec['language'], string>>;

const timeoutSeconds = 30;
const subject = 'trial';
const mendFirst = 'mend what is marked above, then run the doctor again';

/** Where something that every run needs is missing, a trial could only repeat it. */
export const noTrial: Finding = { subject, state: 'missing', detail: 'not tried', remedy: mendFirst };

/**
 * One true program through server, runner and wall, twice: the first time says what a cold start costs. Store and key
 * are scratch ones, so that nothing stays; the wall, the work folder and all limits are those of the configuration.
 */
export async function trialFinding(config: Config, language: keyof typeof programs): Promise<Finding> {
  return inScratchHome(async (home) => {
    try {
      return await tryTwice({ ...config, home }, language);
    } catch (error) {
      const { message, hint } = asRunyardError(error);
      return { subject, state: 'missing', detail: `${message}${await lastWordsOfRunner(home)}`, remedy: hint };
    }
  });
}

async function tryTwice(config: Config, language: keyof typeof programs): Promise<Finding> {
  const app = await createApp(config, silentLogger);
  try {
    const cold = await timed(() => runOnce(app, language));
    const warm = await timed(() => runOnce(app, language));
    return warm.result.status === 'succeeded' ? wentWell(language, cold, warm) : await failed(warm.result, config.home);
  } finally {
    await app.close();
  }
}

async function runOnce(app: App, language: keyof typeof programs): Promise<RunResult> {
  const { tasks } = app.face.services;
  const caller = { owner: 'local:doctor' };
  const spec: CodeSpec = { kind: 'code', language, code: programs[language], files: [], stdin: '', args: [], env: {} };
  const id = await tasks.submit({ spec, runs: 1, size: 'small', timeoutSeconds }, caller);
  const signal = AbortSignal.timeout(timeoutSeconds * 2_000);
  const { status, result } = await tasks.wait(id, caller, { waitMs: timeoutSeconds * 2_000, signal });
  if (result === undefined)
    throw new RunyardError('timed_out', `The trial is still ${status} after ${timeoutSeconds * 2} s.`, {
      hint: mendFirst,
    });
  return result;
}

interface Timed {
  readonly result: RunResult;
  readonly ms: number;
}

async function timed(work: () => Promise<RunResult>): Promise<Timed> {
  const startedAt = performance.now();
  const result = await work();
  return { result, ms: Math.round(performance.now() - startedAt) };
}

function wentWell(language: keyof typeof programs, cold: Timed, warm: Timed): Finding {
  const { stdout, sandbox } = warm.result;
  if (stdout !== '42\n')
    return {
      subject,
      state: 'missing',
      detail: `${programs[language]} printed ${JSON.stringify(stdout.slice(0, 100))}`,
    };
  const times = `${warm.ms} ms (the first time, with the start of the runner, ${cold.ms} ms)`;
  return {
    subject,
    state: 'ok',
    detail: `${programs[language]} ran in ${sandbox.technology}, network ${sandbox.network}: ${times}`,
  };
}

async function failed({ status, error }: RunResult, home: string): Promise<Finding> {
  const detail = `${status}: ${error?.message ?? 'no reason was given'}${await lastWordsOfRunner(home)}`;
  return { subject, state: 'missing', detail, remedy: mendFirst };
}

const logLine = z.object({ msg: z.string(), error: z.object({ message: z.string() }).optional() });

/** The runner tells its log why it could not go on; that log is a scratch one, so its end is told here. */
async function lastWordsOfRunner(home: string): Promise<string> {
  const log = await readFile(join(home, 'runner.log'), 'utf8').catch(() => '');
  const last = log.trim().split('\n').at(-1) ?? '';
  return last === '' ? '' : ` The runner's last words: ${readable(last).slice(0, 300)}`;
}

function readable(line: string): string {
  try {
    const { msg, error } = logLine.parse(JSON.parse(line));
    return error === undefined ? msg : `${msg}: ${error.message}`;
  } catch {
    return line;
  }
}

import { access, constants } from 'node:fs/promises';
import { execa } from 'execa';
import type { Finding } from '../../contracts/sandbox.ts';
import { hasZstd, nodesWithZstd } from '../../lib/zstd.ts';

const versionTimeoutMs = 15_000;

/** main.ts refuses one that is too old; this says which one it is, and what it lacks. */
export async function nodeFinding(): Promise<Finding> {
  const [subject, detail] = ['node', `${process.version}, ${process.execPath}`];
  if (await hasZstd()) return { subject, state: 'ok', detail };
  const lack = 'without zstd: no inputs, neither of run_claude_task nor of PUT /v1/inputs';
  return {
    subject,
    state: 'limited',
    detail: `${detail}, ${lack}`,
    remedy: `start Runyard with Node.js ${nodesWithZstd}`,
  };
}

/** A sandbox sees `/usr` alone: an interpreter elsewhere does not count. */
export async function interpreterFindings(): Promise<Finding[]> {
  return Promise.all([
    interpreterFinding('python3', ['/usr/bin/python3'], 'python code', 'apt-get install python3'),
    interpreterFinding('bash', ['/usr/bin/bash', '/bin/bash'], 'bash code', 'apt-get install bash'),
  ]);
}

async function interpreterFinding(
  subject: string,
  paths: readonly string[],
  allows: string,
  install: string,
): Promise<Finding> {
  const path = await firstExecutable(paths);
  if (path === undefined) {
    return {
      subject,
      state: 'missing',
      detail: `not in /usr/bin: no ${allows}`,
      remedy: `${install} (or the same with your package manager)`,
    };
  }
  const version = await versionOf(path);
  return { subject, state: 'ok', detail: `${path}${version === undefined ? '' : `, ${version}`}` };
}

export async function claudeFinding(path: string | undefined): Promise<Finding> {
  const subject = 'claude';
  const remedy = 'npm install -g @anthropic-ai/claude-code, or set RUNYARD_CLAUDE_PATH';
  if (path === undefined) return { subject, state: 'missing', detail: 'not found: no run_claude_task', remedy };
  const version = await versionOf(path);
  if (version === undefined)
    return { subject, state: 'missing', detail: `${path} does not tell its version: no run_claude_task`, remedy };
  return { subject, state: 'ok', detail: `${version}, ${path}` };
}

/** The first line of `--version`; undefined where the program does not run. */
async function versionOf(path: string): Promise<string | undefined> {
  try {
    const { stdout } = await execa(path, ['--version'], {
      timeout: versionTimeoutMs,
      env: { PATH: process.env.PATH ?? '' },
      extendEnv: false,
    });
    return stdout.split('\n')[0]?.trim();
  } catch {
    return undefined;
  }
}

async function firstExecutable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

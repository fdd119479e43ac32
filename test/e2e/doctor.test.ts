import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';

const main = new URL('../../src/main.ts', import.meta.url).pathname;
const places = { home: '' };

beforeEach(() => {
  places.home = mkdtempSync(join(tmpdir(), 'runyard-home-'));
});
afterEach(() => rmSync(places.home, { recursive: true }));

const report = z.strictObject({
  version: z.string(),
  backend: z.literal('local'),
  ok: z.boolean(),
  findings: z.array(
    z.strictObject({
      subject: z.string(),
      state: z.enum(['ok', 'limited', 'missing']),
      detail: z.string(),
      remedy: z.string().optional(),
    }),
  ),
});

/** Runs the command with nothing of this process's environment but PATH. */
function doctor(flags: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { PATH = '' } = process.env;
  return spawnSync(process.execPath, [main, 'doctor', ...flags], {
    env: { PATH, HOME: places.home, RUNYARD_HOME: places.home, ...env },
    encoding: 'utf8',
  });
}

function findings(env: Readonly<Record<string, string>> = {}) {
  const { stdout } = doctor(['--json'], env);
  const { findings } = report.parse(JSON.parse(stdout));
  return Object.fromEntries(findings.map(({ subject, ...rest }) => [subject, rest]));
}

test('a program truly runs in the wall, and that decides the exit code', () => {
  const { status, stdout } = doctor(['--json']);
  const { ok, findings } = report.parse(JSON.parse(stdout));
  const trial = findings.find(({ subject }) => subject === 'trial');
  expect(trial).toMatchObject({
    state: 'ok',
    detail: expect.stringMatching(/^print\(42\) ran in bubblewrap, network none: \d+ ms/),
  });
  expect({ ok, status }).toEqual({ ok: true, status: 0 });
  const told = findings.map(({ subject }) => subject);
  expect(told).toEqual(expect.arrayContaining(['bubblewrap', 'wall', 'limits', 'user ids']));
  expect(new Set(told).size).toBe(told.length);
});

test('people see marks, and what brings what is missing', () => {
  const { stdout } = doctor([]);
  expect(stdout).toMatch(/^Runyard \d+\.\d+\.\d+, backend local\n/);
  expect(stdout).toMatch(/ {2}✔ node +v\d+/);
  expect(stdout).toMatch(
    / {2}✘ model key +none: no run_claude_task\n +→ set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN\n/,
  );
  expect(stdout).not.toContain('\u001b');
});

test('a backend that cannot run is exit code 1, with the reason and what to do', () => {
  const file = join(places.home, 'file');
  writeFileSync(file, '');
  const { status, stdout } = doctor(['--json'], { RUNYARD_WORK: join(file, 'work') });
  const { ok, findings } = report.parse(JSON.parse(stdout));
  const at = (wanted: string) => findings.find(({ subject }) => subject === wanted);
  expect({ ok, status }).toEqual({ ok: false, status: 1 });
  expect(at('work disk')).toMatchObject({ state: 'missing', detail: `${file} cannot be written` });
  expect(at('work disk')?.remedy).toContain('RUNYARD_WORK');
  expect(at('trial')).toMatchObject({ state: 'missing', detail: 'not tried' });
});

test('credentials are told to be there, never what they are', () => {
  const env = {
    ANTHROPIC_API_KEY: 'placeholder-model-key',
    GITHUB_TOKEN: 'placeholder-github-token',
    RUNYARD_GITHUB_REPOS: 'octo/hello',
  };
  const found = findings({ ...env, ANTHROPIC_BASE_URL: 'https://user:hidden@models.example.com' });
  expect(found['model key']).toEqual({ state: 'ok', detail: 'an API key for models.example.com' });
  expect(found['GitHub token']).toEqual({ state: 'ok', detail: 'a token for api.github.com; octo/hello' });
  expect(JSON.stringify(found)).not.toMatch(/placeholder|hidden/);
});

test('a key that others can read is told with the command that mends it', () => {
  const key = join(places.home, 'key');
  writeFileSync(key, Buffer.alloc(32));
  chmodSync(key, 0o644);
  expect(findings().key).toEqual({
    state: 'limited',
    detail: `${key} has mode 0644: others can read it`,
    remedy: `chmod 600 ${key}`,
  });
  chmodSync(key, 0o600);
  expect(findings().key).toEqual({ state: 'ok', detail: `${key}, mode 0600` });
});

test('a claude that does not run is missing, one that does is told with its version', () => {
  mkdirSync(join(places.home, 'bin'));
  const claude = join(places.home, 'bin', 'claude');
  writeFileSync(claude, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  expect(findings({ RUNYARD_CLAUDE_PATH: claude }).claude).toMatchObject({
    state: 'missing',
    detail: expect.stringContaining(claude),
  });
  writeFileSync(claude, '#!/bin/sh\necho "9.9.9 (Claude Code)"\n', { mode: 0o755 });
  expect(findings({ RUNYARD_CLAUDE_PATH: claude }).claude).toEqual({
    state: 'ok',
    detail: `9.9.9 (Claude Code), ${claude}`,
  });
});

test('nothing of the trial stays in the home', () => {
  // The work folder, which lies there for an ordinary user, is made ready for walls and stays so.
  const files = () =>
    spawnSync('find', [places.home, '-path', `${places.home}/work`, '-prune', '-o', '-print'], { encoding: 'utf8' });
  const before = files().stdout;
  doctor([]);
  expect(files().stdout).toBe(before);
});

test('a flag that is unknown is exit code 2 and a sentence', () => {
  const { status, stderr } = doctor(['--jsno']);
  expect(status).toBe(2);
  expect(stderr).toMatch(/^runyard doctor: --jsno is unknown/);
});

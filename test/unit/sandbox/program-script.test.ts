import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { programScript } from '../../../src/sandbox/bubblewrap/script.ts';

const folder = mkdtempSync(join(tmpdir(), 'runyard-script-'));
const mark = join(folder, 'mark');
afterAll(() => rmSync(folder, { recursive: true }));

const program = {
  steps: [
    { name: 'one', argv: ['/bin/sh', '-c', `echo "$A" > ${mark}`] },
    { name: 'two', argv: ['touch', `${mark}2`] },
  ],
  env: { A: "it's\n}\nfi;", B: '', PATH: '/nowhere', IFS: 'x', 'odd.name': '1' },
};
const script = programScript(program, { fileBytes: 1024 ** 2, openFiles: 64 });

/** The shell as init: what it reads from here is a file, and the handshake goes nowhere. */
function sh(text: string) {
  writeFileSync(join(folder, 'program'), text);
  const start = `limit() { ulimit "-$1" "$2"; }; exec 6<>/dev/null 8>&2 2>/dev/null; . ${folder}/program`;
  return spawnSync('/bin/sh', ['-c', start], { stdio: ['ignore', 'ignore', 'pipe'] });
}

test('the whole text runs its first step', () => {
  sh(script);
  expect(existsSync(mark)).toBe(true);
  rmSync(mark);
});

test('a text that was cut off runs nothing, wherever it was cut', () => {
  const end = script.lastIndexOf('}');
  const cuts = Array.from({ length: 60 }, (_, index) => Math.floor((index * end) / 60));
  for (const cut of [...cuts, end - 1, end]) {
    sh(script.slice(0, cut));
    expect(existsSync(mark), `cut at ${cut} of ${script.length}`).toBe(false);
  }
});

test('no process can be given a NUL', () => {
  expect(() => programScript({ ...program, env: { A: 'a\0b' } }, { fileBytes: 1, openFiles: 1 })).toThrow(/NUL/);
});

test('limits come before the environment, the environment before the program', () => {
  const places = ['limit f 2048', 'limit n 64', 'export A=', '/bin/sh'].map((text) => script.indexOf(text));
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(Math.min(...places)).toBeGreaterThan(0);
});

test('what is no name of the shell itself stands in no argument list: it may be a secret', () => {
  const names = ['OPTIMIZELY_KEY', 'MAIL_PASSWORD', 'HISTORY_TOKEN', 'BASHFUL'];
  const env = Object.fromEntries(names.map((name) => [name, `the secret ${name}`]));
  const text = programScript({ ...program, env }, { fileBytes: 1, openFiles: 1 });
  for (const name of names) expect(text).toContain(`export ${name}='the secret ${name}'\n`);
  expect(text).not.toContain('/usr/bin/env');
});

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { wallFinding, wallProgram } from '../../../src/commands/doctor/cloud/wall.ts';
import type { SandboxReport } from '../../../src/contracts/task.ts';

const sound = { interfaces: ' lo', user: ' 1000', capabilities: ' none', written: '', variables: '' };
const told = (changed: Partial<typeof sound> = {}) =>
  Object.entries({ ...sound, ...changed })
    .map(([name, value]) => `${name}${value}\n`)
    .join('');
const judged = (stdout: string, technology: SandboxReport['technology'] = 'bubblewrap') =>
  wallFinding(stdout, { technology, network: 'none' });

test('a wall that holds is told as what it is', () => {
  expect(judged(told())).toEqual({
    subject: 'wall',
    state: 'ok',
    detail: 'bubblewrap holds: no interface but lo, user 1000, no capability, / not writable, network none',
  });
  expect(judged(told({ interfaces: '' })).state).toBe('ok');
});

test.each<[string, Partial<typeof sound>, string]>([
  ['C2: a way to the network', { interfaces: ' lo eth0' }, 'it has the network interfaces eth0'],
  ['W1: root', { user: ' 0' }, 'it is root'],
  ['W1: capabilities', { capabilities: ' 00000000a80425fb' }, 'it has the capabilities 00000000a80425fb'],
  ['a root folder that is written to', { written: ' / /etc' }, 'it writes to / /etc'],
  ['C1: what the runner knows', { variables: ' RUNYARD_TASK_TOKEN' }, "it sees the runner's RUNYARD_TASK_TOKEN"],
])('a wall with a hole does not hold: %s', (_, changed, flaw) => {
  const { state, detail, remedy } = judged(told(changed));
  expect({ state, detail }).toEqual({ state: 'missing', detail: `bubblewrap does not hold: ${flaw}` });
  expect(remedy).toContain('no code of strangers');
});

test('the launcher has a kernel of its own: root there is nobody outside, a capability or a network is one too many', () => {
  const inside = told({ user: ' 0', written: ' /' });
  expect(judged(inside, 'cloud-run-launcher')).toMatchObject({
    state: 'ok',
    detail: expect.stringContaining('root of its own kernel, no capability, / writable in memory of its own'),
  });
  expect(judged(told({ interfaces: ' lo eth0' }), 'cloud-run-launcher').state).toBe('missing');
  expect(judged(told({ capabilities: ' 1' }), 'cloud-run-launcher').state).toBe('missing');
});

test('no wall at all, and a program that told something else', () => {
  expect(judged(told(), 'none')).toMatchObject({
    state: 'missing',
    detail: expect.stringContaining('there is no wall'),
  });
  for (const stdout of ['', 'bash: not found\n', told().replace('user 1000', 'user x'), 'user 1000\n'])
    expect(judged(stdout)).toMatchObject({
      state: 'missing',
      detail: expect.stringContaining('the program inside printed'),
    });
});

test('outside of any wall the same program finds the holes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'runyard-root-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  // A folder that may be written, in place of those of this machine.
  const program = wallProgram.replace('in / /etc /usr;', `in ${folder} /proc;`);
  const env = { PATH: process.env.PATH ?? '', RUNYARD_TASK_TOKEN: 'placeholder', RUNYARD_RUN: '0' };
  const stdout = execFileSync('bash', ['-c', program], { env, encoding: 'utf8' });
  expect(stdout).toMatch(/^interfaces.*\nuser \d+\ncapabilities \w+\nwritten \S+\nvariables RUNYARD_TASK_TOKEN\n$/);
  expect(stdout).not.toContain('placeholder');
  const { state, detail } = judged(stdout);
  expect(state).toBe('missing');
  expect(detail).toContain(`it writes to ${folder}; it sees the runner's RUNYARD_TASK_TOKEN`);
  expect(readdirSync(folder)).toEqual([]);
});

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defaultIdentity, identityOf, identityScript } from '../../../src/runner/git/identity.ts';

/** Our script with the real git, on a commit of a repository of the test's own. */

const place = { dir: '' };
beforeEach(() => {
  place.dir = mkdtempSync(join(tmpdir(), 'runyard-identity-'));
});
afterEach(() => rmSync(place.dir, { recursive: true }));

const nobody = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', GIT_CONFIG_GLOBAL: '/dev/null' };
const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@x', ...args], { cwd: place.dir, env: nobody });

function told(): ReadonlyMap<string, string> {
  git('init', '-q');
  git('add', '-A');
  git('commit', '-q', '--allow-empty', '-m', 'x');
  const script = `set -u\nfact() { printf 'fact %s %s\\n' "$1" "$2"; }\nsha=$(git rev-parse HEAD)\n${identityScript}`;
  const said = execFileSync('/bin/bash', ['-c', script], { cwd: place.dir, env: nobody, encoding: 'utf8' });
  return new Map([...said.matchAll(/^fact (\w+) (.*)$/gm)].map(([, name = '', value = '']) => [name, value]));
}

function identityIn(text: string | Uint8Array) {
  writeFileSync(join(place.dir, '.gitconfig'), text);
  return identityOf(told());
}

const user = (name: string, email = 'r@example.org') => `[user]\n\tname = ${name}\n\temail = ${email}\n`;

test.each([
  ['as git writes it', user('Robot'), 'Robot'],
  ['beside other settings', `[core]\n\tpager = x\n${user('Robot')}[alias]\n\tst = status\n`, 'Robot'],
  ['the last of several', `${user('First')}${user('Last')}`, 'Last'],
  ['in another script', user('Šárka 机器人'), 'Šárka 机器人'],
  ['with what git leaves out around it', user('"  J. R. \\"Bob\\"  "'), 'J. R. "Bob"'],
])('%s it counts', (_, text, name) => {
  expect(identityIn(text)).toEqual({ name, email: 'r@example.org' });
});

test('where there is no such file the default counts', () => {
  expect(identityOf(told())).toEqual(defaultIdentity);
});

test('a link is not followed', () => {
  writeFileSync(join(place.dir, 'elsewhere'), user('Robot'));
  symlinkSync('elsewhere', join(place.dir, '.gitconfig'));
  expect(identityOf(told())).toEqual(defaultIdentity);
});

test('G1: an include is not followed', () => {
  writeFileSync(join(place.dir, 'other'), user('Robot'));
  const path = join(place.dir, 'other');
  expect(identityIn(`[include]\n\tpath = ${path}\n[includeIf "gitdir:/"]\n\tpath = ${path}\n`)).toEqual(
    defaultIdentity,
  );
});

test.each<[string, string | Uint8Array]>([
  ['half of somebody', '[user]\n\tname = Robot\n'],
  ['a name with a line break', user('"Robot\\nauthor Other <o@example.org> 0 +0000"')],
  ['an email with a line break', user('Robot', '"r@example.org\\n\\nforged"')],
  ['angle brackets', user('"Robot <o@example.org>"')],
  ['an email in angle brackets', user('Robot', '"<r@example.org>"')],
  ['a control character', user('Rob\x1b[31mot')],
  ['a tab', user('"Rob\\tot"')],
  ['a character that turns the line around', user('Rob\u202eot')],
  ['what is no UTF-8', Buffer.from(user('Rob\xffot'), 'latin1')],
  ['punctuation', user('"...;"')],
  ['nothing', user('""')],
  ['a key without a value', '[user]\n\tname\n\temail = r@example.org\n'],
  ['a name that is long', user('R'.repeat(201))],
  ['a name that is longer than is read', user('R'.repeat(2000))],
  ['no address', user('Robot', 'robot')],
  ['an address with a space', user('Robot', 'r@example.org (robot)')],
  ['a file that is no configuration', 'user.name = Robot\n[[[\n'],
  ['a file that is large', `${user('Robot')}# ${'x'.repeat(65_536)}\n`],
])('G1: %s is nobody, and the default counts', (_, text) => {
  expect(identityIn(text)).toEqual(defaultIdentity);
});

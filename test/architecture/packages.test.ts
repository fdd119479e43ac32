import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { packageOf } from './floors.ts';
import { root, sourceFiles } from './source-files.ts';

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const names = z.record(z.string(), z.string());
const manifest = z.object({ dependencies: names, devDependencies: names }).parse(JSON.parse(read('package.json')));

const everyPackage = { ...manifest.dependencies, ...manifest.devDependencies };

/** They cost much to load, so they are loaded by what uses them, never with the server. */
const loadedLate = /^(@google-cloud\/|google-auth-library$|@anthropic-ai\/|@octokit\/|pino$)/;

const used = sourceFiles('src').flatMap(({ path, imports }) =>
  imports.flatMap(({ specifier = '', how, line }) => {
    const name = packageOf(specifier);
    return name === undefined ? [] : [{ name, how, where: `${path}:${line}` }];
  }),
);

test('every package that src/ imports is a dependency', () => {
  expect(used.length).toBeGreaterThan(0);
  expect(
    used
      .filter(({ name }) => !(name in manifest.dependencies))
      .map(({ name, where }) => `${where} imports ${name}, which is no dependency`),
  ).toEqual([]);
});

test('what costs much to load is loaded by what uses it', () => {
  const early = used.filter(({ name, how }) => how === 'static' && loadedLate.test(name));
  expect(early.map(({ name, where }) => `${where} imports ${name} at once: use import() where it is needed`)).toEqual(
    [],
  );
});

test('the table of the README says what each dependency is for', () => {
  expect(existsSync(join(root, 'README.md')), 'README.md is missing').toBe(true);
  const rows = read('README.md')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  const told = (name: string) =>
    rows.some(([, subject = '', purpose = '']) => subject.includes(`\`${name}\``) && /\w{3}/.test(purpose));
  expect(Object.keys(everyPackage).filter((name) => !name.startsWith('@types/') && !told(name))).toEqual([]);
});

test('versions are exact', () => {
  const loose = Object.entries(everyPackage).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version));
  expect(loose).toEqual([]);
});

test('the lockfile names no registry', () => {
  expect(read('package-lock.json')).not.toMatch(/"resolved"/);
});

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

const isCheckout = existsSync(join(root, '.git'));

test.skipIf(!isCheckout)('no file names a package registry or a folder of this machine (needs a git checkout)', () => {
  const registry = execFileSync('npm', ['config', 'get', 'registry'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
  const hosts = [
    /registry\.(npmjs|yarnpkg)\./.source,
    ...(URL.canParse(registry) ? [escaped(new URL(registry).host)] : []),
  ];
  const folder = root.replace(/\/$/, '');
  const places = folder.split('/').length > 2 ? [escaped(folder)] : [];
  const unwanted = new RegExp([...hosts, ...places].join('|'));
  const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0');
  const naming = tracked.filter((path) => path !== '' && existsSync(join(root, path)) && unwanted.test(read(path)));
  expect(naming).toEqual([]);
});

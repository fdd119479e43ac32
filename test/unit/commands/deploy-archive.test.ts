import { execFileSync } from 'node:child_process';
import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readPackage } from '../../../src/commands/deploy/archive.ts';
import { writePackage } from '../../e2e/deploy-cloud.ts';

const places = { root: '', remove: () => {} };
beforeEach(
  () => void Object.assign(places, writePackage({ 'src/secret.ts': 'not published', 'dist/.cache': 'hidden' })),
);
afterEach(() => places.remove());

test('the archive holds what is published and the manifest, nothing else', async () => {
  const listed = execFileSync('tar', ['-tzf', '-'], {
    input: await readPackage(places.root).archive(),
    encoding: 'utf8',
  });
  expect(listed.trim().split('\n')).toEqual([
    'dist/main.js',
    'dist/runner/main.js',
    'package.json',
    'sandbox-image/Dockerfile',
  ]);
});

test('the same files make the same archive, whenever they were written; other files another', async () => {
  const before = readPackage(places.root);
  const bytes = await before.archive();
  utimesSync(join(places.root, 'dist/main.js'), 1, 1);
  expect(readPackage(places.root).sha256).toBe(before.sha256);
  expect((await readPackage(places.root).archive()).equals(bytes)).toBe(true);
  writeFileSync(join(places.root, 'dist/main.js'), 'changed');
  expect(readPackage(places.root).sha256).not.toBe(before.sha256);
});

test.each(['dist/main.js', 'dist/runner/main.js', 'sandbox-image/Dockerfile'])(
  'without %s no image can be built',
  (path) => {
    rmSync(join(places.root, path));
    expect(() => readPackage(places.root)).toThrow(`${path} is not there, so no image can be built.`);
  },
);

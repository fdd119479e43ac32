import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGoogleRest, planPatience } from '../../../src/commands/deploy/google-rest.ts';
import { gcloud, gcloudList, shellLine, writeJson } from '../../../src/commands/deploy/shell.ts';
import { stepsOf } from '../../../src/commands/deploy/steps.ts';
import { installation } from './deploy-installation.ts';

const places = { folder: '' };
beforeEach(() => {
  places.folder = mkdtempSync(join(tmpdir(), 'runyard-shell-'));
});
afterEach(() => rmSync(places.folder, { recursive: true }));

/** Runs the lines in a real shell; `gcloud` prints its words, each on a line of its own. */
function run(lines: readonly string[]): string[] {
  const script = ['set -eu', 'gcloud() { printf "%s\\n" gcloud "$@"; }', ...lines].join('\n');
  const output = execFileSync('sh', ['-c', script], { cwd: places.folder, encoding: 'utf8' });
  return output.split('\n').slice(0, -1);
}

test.each(["it's", 'a b', '$HOME', '`id`', '"quoted"', 'a\\b', '*', '', ';', "'", '~', '(x)', 'a&b', '#', '^;^a=b'])(
  'a shell takes %j for one word, as it is',
  (word) => {
    expect(run([gcloud('say', word)])).toEqual(['gcloud', 'say', word]);
    expect(run([shellLine(['printf', '%s\\n', word])])).toEqual([word]);
  },
);

test('only the variable of the image is one', () => {
  expect(run(["IMAGE='a image'", gcloud('--image="$IMAGE"')])).toEqual(['gcloud', '--image=a image']);
});

test('a list is parted by what none of its entries holds', () => {
  expect(gcloudList(['A=1,2', 'B=3'])).toBe('^;^A=1,2;B=3');
  expect(gcloudList(['A=1;2', 'B=|'])).toBe('^~^A=1;2~B=|');
});

test('a JSON value ends up in its file', () => {
  const value = { text: `it's "quoted" \\ %s $HOME`, list: [1] };
  run([writeJson('value.json', value)]);
  expect(JSON.parse(readFileSync(join(places.folder, 'value.json'), 'utf8'))).toEqual(value);
});

test('every line of a plan is one that a shell takes, word by word', () => {
  const rest = createGoogleRest({
    project: installation.place.project,
    endpointOf: () => 'http://127.0.0.1:9',
    patience: planPatience,
    signal: new AbortController().signal,
  });
  const files = { root: '/a folder', version: '1.2.3', sha256: 'ab'.repeat(32), archive: async () => Buffer.alloc(0) };
  const lines = stepsOf({ ...installation, withService: true }, rest, { files, tell: () => {} }).flatMap((step) => [
    ...step.gcloud,
    ...(step.end.goes ? [] : step.end.gcloud),
  ]);
  expect(lines.length).toBeGreaterThan(40);
  const words = run(lines.filter((line) => !line.includes('openssl')));
  expect(words).toContain(
    "--condition=expression=resource.name.startsWith('projects/_/buckets/demo-bucket/objects/tasks/'),title=runyard-tasks",
  );
  expect(words).toContain('/a folder');
  expect(words.filter((word) => word.startsWith('--image='))).toHaveLength(4);
  expect(words.find((word) => word.startsWith('--set-env-vars=^;^'))).toContain(
    'RUNYARD_SECRETS=secret-manager:npm env,secret-manager:hook webhook@hooks.example.com:8443 for=key:ci',
  );
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ConfigSources, readConfig } from '../../../src/config.ts';
import { root, sourceFiles } from '../../architecture/source-files.ts';

/** What the README says of settings is what there is, and none of them is only said. */

const bare: ConfigSources = { flags: [], env: {}, userHome: '/h', isRoot: false, readFile: () => undefined };

const rows = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^\| (`RUNYARD_[^|]*) \| ([^|]*) \|/gm)].map(
  ([, names = '', standard = '']) => ({
    names: [...names.matchAll(/RUNYARD_\w+/g)].map(([name]) => name),
    standard: standard.replaceAll('`', '').trim(),
  }),
);

test('prior A9a: each setting that the README names is known', () => {
  expect(rows.length).toBeGreaterThan(15);
  for (const name of rows.flatMap(({ names }) => names)) {
    const read = () => readConfig({ ...bare, env: { [name]: 'x' } });
    const said = (() => {
      try {
        return String(read() === undefined);
      } catch (error) {
        return String(error);
      }
    })();
    expect(said, name).not.toMatch(/unknown|no setting/i);
  }
  expect(() => readConfig({ ...bare, env: { RUNYARD_NO_SUCH: 'x' } })).toThrow(/RUNYARD_NO_SUCH/);
});

test('prior A9a: a default of the README is the one that counts', () => {
  const { cloud, ...config } = readConfig({
    ...bare,
    env: { RUNYARD_PROJECT: 'a-project', RUNYARD_REGION: 'europe-west1' },
  });
  const defaults: Readonly<Record<string, unknown>> = {
    RUNYARD_BACKEND: config.backend,
    RUNYARD_SANDBOX: config.sandbox,
    RUNYARD_AUTH: config.auth,
    RUNYARD_RETENTION_DAYS: config.retentionDays,
    RUNYARD_JOB: cloud?.job,
  };
  for (const [name, standard] of Object.entries(defaults)) {
    expect(rows.find(({ names }) => names[0] === name)?.standard, name).toBe(String(standard));
  }
});

test('prior A9b: each setting is used by somebody', () => {
  const users = sourceFiles('src').filter(({ path }) => !/^src\/config(\.ts|\/)/.test(path));
  const source = users.map((file) => file.source).join('\n');
  const unused = Object.keys(readConfig(bare)).filter((name) => {
    const taken = String.raw`\bconfig\.${name}\b|\{[^{}]*\b${name}\b[^{}]*\}: (?:Config|Pick<Config|Omit<Config)\b`;
    return !new RegExp(taken).test(source);
  });
  expect(unused).toEqual([]);
});

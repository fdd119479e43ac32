import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { environment, makeHome, program, removeHome, runToEnd } from './server.ts';

const home = makeHome();
const scratch = mkdtempSync(join(tmpdir(), 'runyard-start-'));
afterAll(() => {
  removeHome(home);
  rmSync(scratch, { recursive: true, force: true });
});

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

describe('the command line', () => {
  test.each([
    [['--version'], 0, `${version}\n`, ''],
    [['--help'], 0, expect.stringContaining('serve --http host:port'), ''],
    [[], 2, '', expect.stringContaining('Usage: runyard')],
    [['fly'], 2, '', expect.stringMatching(/^"fly" is no command\.\n\nUsage/)],
    [['serve', '--fly'], 2, '', expect.stringMatching(/^runyard serve: --fly is unknown\./)],
    [['specs', '--chekc'], 2, '', expect.stringMatching(/^runyard specs: "--chekc" is no flag/)],
    [['specs', '--check'], 0, '', ''],
  ])('%j', async (args, exitCode, stdout, stderr) => {
    expect(await runToEnd(args, environment(home))).toEqual({ exitCode, stdout, stderr });
  });

  test('a home that cannot be is one sentence, not a stack', async () => {
    const file = join(scratch, 'file');
    writeFileSync(file, '');
    const { exitCode, stderr } = await runToEnd(['serve'], { ...environment(home), RUNYARD_HOME: join(file, 'home') });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 2,
      stderr: expect.stringMatching(/^runyard serve: .*\/file\/home\S* cannot be \w+\.\n$/),
    });
  });
});

test('what the system refuses is a sentence as well', async () => {
  const own = makeHome();
  mkdirSync(join(own, 'http-token'));
  const { exitCode, stderr } = await runToEnd(['serve', '--http', '127.0.0.1:0'], environment(own));
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringMatching(/^runyard serve: EISDIR: .*http-token'\.\n$/),
  });
  removeHome(own);
});

describe('a Node without zstd, as those before 22.15 are', () => {
  const preload = join(scratch, 'without-zstd.cjs');
  const forget = 'for (const name of Object.keys(zlib)) if (/zstd/i.test(name)) delete zlib[name];';
  writeFileSync(
    preload,
    `const zlib = require('node:zlib');\n${forget}\nrequire('node:module').syncBuiltinESMExports();`,
  );
  const env = { ...environment(home), NODE_OPTIONS: `--require ${preload}`, ANTHROPIC_API_KEY: 'sk-none' };

  test('refuses inputs with a sentence that says which one is needed', async () => {
    const file = join(scratch, 'batch.json');
    writeFileSync(file, JSON.stringify({ tasks: [{ id: 'a', prompt: 'x', inputs: [{ name: 'a', from: '.' }] }] }));
    const { exitCode, stderr } = await runToEnd(['run', file, '--out', join(scratch, 'out')], env);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 2,
      stderr: expect.stringMatching(
        /^runyard run: .*task a: Inputs .* needs Node\.js 22\.15.*; it runs on [\d.]+\.\n$/,
      ),
    });
  });

  test('is told of by the doctor', async () => {
    const { stdout } = await runToEnd(['doctor', '--json'], env);
    const { findings } = JSON.parse(stdout);
    expect(findings[0]).toMatchObject({
      subject: 'node',
      state: 'limited',
      detail: expect.stringContaining('no inputs'),
      remedy: expect.stringContaining('22.15'),
    });
  });
});

/** A Node of this machine that is too old, where there is one. */
const oldNode = ['/usr/bin/node', '/usr/local/bin/node', ...(process.env.OLD_NODE ?? '').split(':')].find((path) => {
  const [major = 0] =
    spawnSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout?.split('.').map(Number) ?? [];
  return major >= 14 && major < 22;
});

test.skipIf(oldNode === undefined)(
  'an old Node says which one is needed (needs a Node below 22 in OLD_NODE or /usr)',
  () => {
    const source = readFileSync(new URL('../../src/main.ts', import.meta.url), 'utf8');
    const file = join(scratch, 'main.mjs');
    writeFileSync(file, stripTypeScriptTypes(source));
    const { status, stderr } = spawnSync(oldNode!, [file, 'serve'], { encoding: 'utf8' });
    expect(stderr).toMatch(/^Runyard needs Node\.js 22\.12 or newer; this is \d+\.\d+\.\d+ \(.*\)\.\n$/);
    expect(status).toBe(1);
  },
);

test('a stdio server loads nothing that only others need', () => {
  const hook = join(scratch, 'hook.mjs');
  writeFileSync(
    hook,
    `import { registerHooks } from 'node:module'; import { appendFileSync } from 'node:fs';
    registerHooks({ load(url, context, next) { appendFileSync(${JSON.stringify(join(scratch, 'loaded'))}, url + '\\n'); return next(url, context); } });`,
  );
  const clientInfo = { name: 'x', version: '1' };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  const { stdout, status } = spawnSync(program.command, ['--import', hook, ...program.args, 'serve'], {
    env: environment(home),
    input: `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`,
    encoding: 'utf8',
  });
  expect({ status, answer: JSON.parse(stdout) }).toMatchObject({
    status: 0,
    answer: { id: 1, result: { protocolVersion: '2025-11-25' } },
  });
  const loaded = readFileSync(join(scratch, 'loaded'), 'utf8');
  expect(loaded).toContain('src/server/stdio.ts');
  expect(loaded).not.toMatch(
    /pino|octokit|@google-cloud|google-(auth|gax)|@anthropic-ai|modelcontextprotocol\/(node|client)|node_modules\/ajv|server\/http|src\/(specs|github|gateway)/,
  );
});

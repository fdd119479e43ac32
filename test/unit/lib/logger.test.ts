import { execFileSync, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const loggerUrl = new URL('../../../src/lib/logger.ts', import.meta.url).href;

function runProgram(body: string) {
  const program = `import { createLogger } from ${JSON.stringify(loggerUrl)};\n${body}`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
}

test('writes one JSON line a call to stderr, nothing to stdout, without credentials', () => {
  const { stdout, stderr, status } = runProgram(`
    const log = createLogger({ level: 'info', name: 'server' });
    log.debug({}, 'too quiet');
    log.warn({ task: 'task_1', token: 'abc', error: new Error('with sk-ant-abcdefgh') }, 'Bearer abcdefghij');
    process.exit(3);
  `);
  expect(status).toBe(3);
  expect(stdout).toBe('');
  const lines = stderr.trim().split('\n');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0]!)).toMatchObject({
    level: 40,
    name: 'server',
    task: 'task_1',
    token: '[redacted]',
    msg: 'Bearer [redacted]',
    error: { message: 'with [redacted]' },
  });
  expect(stderr).not.toContain('abcdefgh');
});

test('pino is not loaded before the first line', () => {
  const probe = (body: string) =>
    runProgram(`
    import { createRequire } from 'node:module';
    const log = createLogger({ level: 'error', name: 'server' });
    ${body}
    process.stdout.write(String(Object.keys(createRequire(${JSON.stringify(loggerUrl)}).cache).some((file) => file.includes('/pino/'))));
  `).stdout;
  expect(probe(`log.info({}, 'too quiet');`)).toBe('false');
  expect(probe(`log.error({}, 'loud');`)).toBe('true');
});

test('a stderr that nobody reads any more does not end the program', () => {
  const program = `import { createLogger } from ${JSON.stringify(loggerUrl)};
    const log = createLogger({ level: 'info', name: 'server' });
    setTimeout(() => { for (let i = 0; i < 100; i++) log.info({ i }, 'x'); }, 100);
    setTimeout(() => { console.log('alive'); process.exit(0); }, 300);`;
  const script = `exec 3>&1; "$0" --input-type=module -e "$1" 2>&1 1>&3 | true; wait`;
  expect(execFileSync('bash', ['-c', script, process.execPath, program], { encoding: 'utf8' })).toBe('alive\n');
});

import { expect, test } from 'vitest';
import { wholeLog } from '../e2e/served.ts';
import { onEngine } from './engine.ts';

/** Each is much, and none of it is in the way of another: all at once. */

onEngine('limits', (tools) => {
  test.concurrent('10 MiB of output: head and tail with a marker between in the result, every line in the log, and calls beside it go on', {
    timeout: 240_000,
  }, async () => {
    const lines = 10 * 1024;
    const code = `for n in range(${lines}): print(f"{n:05d}", "x" * 1017)`;
    const printing = tools().call('execute_code', { language: 'python', code });
    const beside = await tools().call('execute_code', { language: 'bash', code: 'echo beside' });
    expect(beside.stdout).toBe('beside\n');
    const result = await printing;
    expect(result).toMatchObject({ status: 'succeeded', truncated: true });
    const stdout = String(result.stdout);
    expect(Buffer.byteLength(stdout)).toBeLessThan(33 * 1024);
    expect(stdout.startsWith('00000 x')).toBe(true);
    expect(stdout.trimEnd().endsWith('x')).toBe(true);
    expect(stdout).toContain(String(lines - 1));
    const leftOut = Number(/(\d+) bytes left out/.exec(stdout)?.[1]);
    const kept = Buffer.byteLength(stdout.replace(/\n\[\.\.\. .*?\.\.\.\]\n/, ''));
    expect(leftOut + kept).toBe(lines * 1024);
    const log = await wholeLog(tools(), String(result.task_id));
    expect(log.lines).toHaveLength(lines);
    expect(log.lines.every((line, n) => line === `${String(n).padStart(5, '0')} ${'x'.repeat(1017)}`)).toBe(true);
  });

  test.concurrent('prior B3c: more than 64 MiB of output ends the run as output_limit', {
    timeout: 240_000,
  }, async () => {
    const endless = { language: 'bash', code: `yes ${'y'.repeat(1000)}`, timeout_seconds: 200, wait_seconds: 0 };
    const { task_id } = await tools().call('execute_code', endless);
    const ended = async () => (await tools().call('get_task_logs', { task_id, wait_seconds: 60 })).result;
    const result = (await ended()) ?? (await ended()) ?? (await ended()) ?? (await ended());
    expect(result).toMatchObject({
      status: 'failed',
      success: false,
      error: { code: 'output_limit' },
      truncated: true,
    });
  });

  test.concurrent('1 MiB of code runs', { timeout: 120_000 }, async () => {
    const line = 'total += 1 # '.padEnd(127, '.');
    const code = `total = 0\n${`${line}\n`.repeat(8191)}print(total)`;
    expect(Buffer.byteLength(code)).toBeGreaterThan(1_040_000);
    expect((await tools().call('execute_code', { language: 'python', code })).stdout).toBe('8191\n');
  });

  test.concurrent('8 MiB of files and of stdin arrive whole', { timeout: 120_000 }, async () => {
    const half = Buffer.alloc(3 * 1024 * 1024, 'ü').toString('base64');
    const files = ['a.bin', 'deep/er/b.bin'].map((path) => ({ path, content: half, encoding: 'base64' }));
    const code =
      'import sys, hashlib\nfor p in ["a.bin", "deep/er/b.bin"]: print(len(open(p, "rb").read()))\nprint(len(sys.stdin.read()))';
    const result = await tools().call('execute_code', {
      language: 'python',
      code,
      files,
      stdin: 'z'.repeat(2 * 1024 * 1024),
    });
    expect(result.stdout).toBe(`${3 * 1024 * 1024}\n${3 * 1024 * 1024}\n${2 * 1024 * 1024}\n`);
  });
});

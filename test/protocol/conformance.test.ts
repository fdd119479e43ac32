import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from './server.ts';

const suite = createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/dist/index.js');
const results = mkdtempSync(join(tmpdir(), 'runyard-conformance-'));

const shared: { server?: TestServer } = {};
beforeAll(async () => {
  // The suite speaks without a credential.
  shared.server = await startServer({ env: { RUNYARD_AUTH: 'none' } });
});
afterAll(async () => {
  await shared.server?.stop();
  rmSync(results, { recursive: true, force: true });
});

test.each(['2026-07-28', '2025-11-25'])('the official suite finds nothing new against %s', async (revision) => {
  const baseline = fileURLToPath(new URL(`./conformance/${revision}.yml`, import.meta.url));
  const args = ['server', '--url', `${shared.server!.url}/mcp`, '--requirements', revision];
  const child = spawn(process.execPath, [suite, ...args, '--expected-failures', baseline, '-o', results], {
    stdio: 'pipe',
  });
  const printed: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => printed.push(String(chunk)));
  const [exitCode] = await once(child, 'close');
  const text = printed.join('');
  expect(exitCode, text.slice(text.indexOf('=== SUMMARY'))).toBe(0);
  expect(text).toMatch(/✓ tools-list: \d+ passed, 0 failed/);
  expect(text).toMatch(/✓ dns-rebinding-protection: 2 passed, 0 failed/);
});

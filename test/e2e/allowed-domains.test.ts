import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { event } from '../../src/contracts/event.ts';
import { newTaskId } from '../../src/contracts/ids.ts';
import { keys } from '../../src/contracts/keys.ts';
import type { Sandbox } from '../../src/contracts/sandbox.ts';
import { type CodeSpec, runResult, type TaskRecord } from '../../src/contracts/task.ts';
import { openGateway } from '../../src/gateway/door.ts';
import { createEgress } from '../../src/gateway/egress.ts';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { executeRun } from '../../src/runner/run.ts';
import { createBubblewrap } from '../../src/sandbox/bubblewrap/index.ts';
import { createLocalSeal } from '../../src/seal/local.ts';
import { createFilesystemStore } from '../../src/store/filesystem.ts';
import { contention } from '../bench/load.ts';

/** A name that only the runner can resolve, for a server on this machine. */
const host = 'allowed.test';
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

describe.skipIf(!hasOpenssl)(
  `allowed_domains in a real wall${hasOpenssl ? '' : ' (skipped: openssl is missing)'}`,
  () => {
    const home = mkdtempSync(join(process.getuid?.() === 0 ? '/var/lib' : tmpdir(), 'runyard-domains-'));
    const seen: string[] = [];
    let sandbox: Sandbox;
    let port = 0;
    let server: ReturnType<typeof createServer>;

    beforeAll(async () => {
      closeInheritedDescriptors();
      chmodSync(home, 0o711);
      const made = spawnSync('openssl', [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
        ...['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`],
        ...['-keyout', join(home, 'key.pem'), '-out', join(home, 'cert.pem')],
      ]);
      expect(made.status).toBe(0);
      const tls = { key: readFileSync(join(home, 'key.pem')), cert: readFileSync(join(home, 'cert.pem')) };
      server = createServer(tls, (request, response) => {
        seen.push(request.url ?? '');
        response.end(`you reached ${request.headers.host}`);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      port = (server.address() as AddressInfo).port;
      sandbox = createBubblewrap({ workDir: join(home, 'work'), nodePath: process.execPath, slots: 1 });
    });
    afterAll(async () => {
      await sandbox.close();
      server.close();
      rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    });

    async function run(spec: Pick<CodeSpec, 'language' | 'code'>, allowedDomains = [`${host}:${port}`]) {
      const store = createFilesystemStore({ dir: join(home, 'store') });
      const seal = createLocalSeal({ keyFile: join(home, 'seal-key') });
      const whole: CodeSpec = {
        ...{ kind: 'code', stdin: '', args: [], ...spec, allowedDomains },
        files: [{ path: 'cert.pem', content: readFileSync(join(home, 'cert.pem'), 'utf8'), encoding: 'utf-8' }],
        env: {
          URL: `https://${host}:${port}/`,
          OTHER: 'https://denied.test/',
          NODE_EXTRA_CA_CERTS: '/workspace/cert.pem',
        },
      };
      const task: TaskRecord = {
        ...{ id: newTaskId(), kind: 'code', owner: 'local:0', backend: 'local', runs: 1, size: 'small' },
        ...{ createdAt: new Date().toISOString(), timeoutSeconds: 30 },
      };
      await store.create(keys.sealed(task.id), await seal.seal(Buffer.from(JSON.stringify(whole)), task.id));
      const egress = createEgress({
        privateTargets: [{ host, port }],
        resolve: async () => [{ address: '127.0.0.1', family: 4 }],
      });
      const dependencies = {
        ...{ store, seal, sandbox, handle: {}, tell: () => {}, log: silentLogger },
        openGateway: async (options: Parameters<typeof openGateway>[0] | object) =>
          openGateway({ onDenied: () => {}, ...options, egress }),
      };
      await executeRun(dependencies, task, 0, new AbortController());
      const result = runResult.parse(JSON.parse(String(await store.read(keys.result(task.id, 0)))));
      const chunks = await Promise.all((await store.list(keys.events(task.id, 0))).map((key) => store.read(key)));
      const lines = chunks.flatMap((chunk) => String(chunk).trimEnd().split('\n'));
      return { result, events: lines.map((line) => event.parse(JSON.parse(line))) };
    }

    test.for([
      ['bash', 'curl -sS --cacert cert.pem "$URL"'],
      [
        'python',
        'import os, ssl, urllib.request as r\nprint(r.urlopen(os.environ["URL"], context=ssl.create_default_context(cafile="cert.pem")).read().decode())',
      ],
      ['javascript', 'console.log(await (await fetch(process.env.URL)).text())'],
    ] as const)('%s reaches an allowed host without being told how', async ([language, code]) => {
      const { result, events } = await run({ language, code });
      expect({ stdout: result.stdout.trim(), stderr: result.stderr }).toEqual({
        stdout: `you reached ${host}:${port}`,
        stderr: expect.any(String),
      });
      expect(result.sandbox.network).toBe('gateway');
      expect(events.filter(({ stream }) => stream === 'denied')).toEqual([]);
    });

    test('prior A17c: another host is denied with a plain message, at once, and the denial is an event', async () => {
      const { result, events } = await run({ language: 'bash', code: 'curl -sS "$OTHER" || echo "curl $?"' });
      expect(result.stdout).toMatch(/^curl (56|7)/);
      expect(result.stderr).toContain('403');
      expect(result.durationMs).toBeLessThan(10_000 * contention());
      expect(events.filter(({ stream }) => stream === 'denied').map(({ data }) => data)).toEqual([
        { what: 'CONNECT denied.test:443', why: 'this run may not reach denied.test' },
      ]);
    });

    test('around the proxy there is nothing: no interface, no resolver', async () => {
      const { result } = await run({
        language: 'bash',
        code: 'ls /sys/class/net 2>/dev/null; cut -d: -f1 /proc/net/dev | tail -n +3; curl -sS --noproxy "*" "$URL" || echo none',
      });
      expect(result.stdout.trim().split(/\s+/)).toEqual(['lo', 'none']);
    });

    test('without allowed_domains there is no proxy either', async () => {
      const { result } = await run({ language: 'bash', code: 'env | grep -i proxy; echo end' }, []);
      expect(result.stdout).toBe('end\n');
      expect(result.sandbox.network).toBe('none');
    });
  },
);

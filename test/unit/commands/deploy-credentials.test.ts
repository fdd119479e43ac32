import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { createGoogleRest } from '../../../src/commands/deploy/google-rest.ts';
import { type MetadataServer, startMetadataServer } from '../../fakes/google/metadata.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const held: { folder: string; metadata?: MetadataServer; server?: Server; seen: IncomingHttpHeaders[] } = {
  folder: '',
  seen: [],
};

beforeEach(async () => {
  held.seen = [];
  held.folder = mkdtempSync(join(tmpdir(), 'runyard-tls-'));
  held.metadata = await startMetadataServer({ project: 'p', email: 'deployer@p.iam.gserviceaccount.com' });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  held.server?.close();
  await held.metadata?.close();
  rmSync(held.folder, { recursive: true });
});

/** An https server with a certificate of its own. Resolves to its address. */
async function startSecure(): Promise<string> {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(held.folder, name));
  const subject = ['-subj', '/CN=localhost', '-nodes', '-days', '1', '-newkey', 'rsa:2048'];
  spawnSync('openssl', ['req', '-x509', ...subject, '-keyout', key!, '-out', cert!]);
  held.server = createServer({ key: readFileSync(key!), cert: readFileSync(cert!) }, (request, response) => {
    held.seen.push(request.headers);
    response.setHeader('content-type', 'application/json').end('{}');
  });
  held.server.listen(0, '127.0.0.1');
  await once(held.server, 'listening');
  return `https://127.0.0.1:${(held.server.address() as { port: number }).port}`;
}

/** The default credentials are those of this "machine", and nothing else that this user may have. */
function onMachine(host: string): void {
  vi.stubEnv('HOME', held.folder);
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '');
  vi.stubEnv('GCE_METADATA_HOST', host);
  vi.stubEnv('METADATA_SERVER_DETECTION', host === '' ? 'none' : 'assume-present');
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
}

function open(endpoint: string) {
  return createGoogleRest({
    project: 'p',
    endpointOf: () => endpoint,
    patience: { retryMs: 500, settleMs: 0, pollMs: 1 },
    signal: new AbortController().signal,
  });
}

const call = { api: 'run', path: '/v2/thing' } as const;

test.skipIf(!hasOpenssl)('over https goes the token of the default credentials (needs openssl)', async () => {
  const endpoint = await startSecure();
  onMachine(held.metadata!.host);
  await open(endpoint).send(call, z.unknown());
  const token = /^Bearer (.+)$/.exec(held.seen[0]?.authorization ?? '')?.[1];
  expect(held.metadata!.gave(token ?? '')).toBe(true);
});

test.skipIf(!hasOpenssl)(
  'without credentials nothing is sent, and a sentence says where they come from (needs openssl)',
  async () => {
    const endpoint = await startSecure();
    onMachine('');
    await expect(open(endpoint).send(call, z.unknown())).rejects.toMatchObject({
      obstacle: 'credentials',
      hint: expect.stringContaining('gcloud auth application-default login'),
    });
    expect(held.seen).toEqual([]);
  },
);

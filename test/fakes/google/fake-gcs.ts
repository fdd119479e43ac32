import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** fake-gcs-server, a Cloud Storage that is not ours, where `.config/setup-tests.js` could build it. */
const program = join(
  fileURLToPath(new URL('../../..', import.meta.url)),
  'node_modules/.cache/runyard/fake-gcs-server',
);

export const hasFakeGcs = existsSync(program);

export interface FakeGcs {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  makeBucket(name: string): Promise<void>;
  close(): Promise<void>;
}

const readyWithinMs = 10_000;

/** Holds its objects in memory. Its port is free when it is looked for; where it is taken in between, another is tried. */
export async function startFakeGcs(): Promise<FakeGcs> {
  for (let attempt = 0; ; attempt++) {
    const port = await freePort();
    const place = `127.0.0.1:${port}`;
    const args = ['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port), '-public-host', place];
    const child = spawn(program, [...args, '-backend', 'memory', '-log-level', 'error'], { stdio: 'ignore' });
    const url = `http://${place}`;
    if (await isReady(child, url)) {
      return { url, makeBucket: (name) => makeBucket(url, name), close: () => stop(child) };
    }
    await stop(child);
    if (attempt === 2) throw new Error('fake-gcs-server does not start');
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('there is no free port');
  return address.port;
}

async function isReady(child: ChildProcess, url: string): Promise<boolean> {
  for (const deadline = Date.now() + readyWithinMs; Date.now() < deadline; await delay(20)) {
    if (child.exitCode !== null) return false;
    const answer = await fetch(`${url}/_internal/healthcheck`).catch(() => undefined);
    if (answer?.ok) return true;
  }
  return false;
}

async function makeBucket(url: string, name: string): Promise<void> {
  const answer = await fetch(`${url}/storage/v1/b?project=test`, { method: 'POST', body: JSON.stringify({ name }) });
  if (!answer.ok) throw new Error(`fake-gcs-server does not make the bucket ${name}: ${await answer.text()}`);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

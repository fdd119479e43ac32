import { join } from 'node:path';
import { type App, createApp } from '../app.ts';
import type { Config, HostPort } from '../config.ts';
import { createLogger, type Logger } from '../lib/logger.ts';
import { once } from '../lib/once.ts';
import { serveOnStdio } from '../server/stdio.ts';
import { configOfProcess } from './config-of-process.ts';

/** The runner starts once the client's first question was answered, so that the two do not share a processor. */
const warmAfterMs = 100;

/** Platforms that stop a server wait 10 s before they kill it. */
const drainMs = 7_000;

/** Serves until the client goes, or a signal asks for the end. */
export async function serve(flags: readonly string[]): Promise<number> {
  const config = configOfProcess(flags);
  const log = createLogger({ level: 'info', name: 'server' });
  const app = await createApp(config, log);
  const stop = stopSignal();
  setTimeout(() => app.warm(), warmAfterMs).unref();
  try {
    await (config.http === undefined ? serveStdio(app, stop) : serveHttp(app, config, config.http, log, stop));
  } finally {
    await app.close();
  }
  // What is left (a keep-alive timer, an unread pipe) has nothing to say any more.
  process.exit(0);
}

async function serveStdio(app: App, stop: AbortSignal): Promise<void> {
  const server = serveOnStdio(app.face, { owner: localOwner() });
  await Promise.race([server.ended, aborted(stop)]);
  await server.close(stop.aborted ? drainMs : 0);
}

/** Loaded only by a server that is asked for HTTP. */
async function serveHttp(app: App, config: Config, http: HostPort, log: Logger, stop: AbortSignal): Promise<void> {
  const [{ serveOnHttp }, { createAuthenticator }, { openApi }] = await Promise.all([
    import('../server/http.ts'),
    import('../server/auth.ts'),
    import('../specs/openapi.ts'),
  ]);
  const tokenFile = join(config.home, 'http-token');
  const auth = createAuthenticator({
    host: http.host,
    mode: config.auth,
    apiKeys: config.apiKeys,
    tokenFile,
    localOwner: localOwner(),
  });
  try {
    const document = once(() => openApi(app.face.tools, { version: app.face.version }));
    const server = await serveOnHttp(app.face, { ...http, auth, openApi: document, drainMs });
    try {
      auth.announce();
      log.info({ url: server.url, access: auth.access }, 'Serving MCP at /mcp and REST at /v1/');
      await aborted(stop);
    } finally {
      await server.close();
    }
  } finally {
    auth.close();
  }
}

function localOwner(): string {
  return `local:${process.getuid?.() ?? 'user'}`;
}

function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort(signal));
  return controller.signal;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

import { type App, createApp } from '../app.ts';
import type { Config } from '../config.ts';
import { createLogger, type Logger } from '../lib/logger.ts';
import { serveOnStdio } from '../server/stdio.ts';
import { configOfProcess } from './config-of-process.ts';

/** The runner starts once the client's first question was answered, so that the two do not share a processor. */
const warmAfterMs = 100;

/** Serves until the client goes, or a signal asks for the end. */
export async function serve(flags: readonly string[]): Promise<number> {
  const config = configOfProcess(flags);
  const log = createLogger({ level: 'info', name: 'server' });
  const app = createApp(config, log);
  const stop = stopSignal();
  setTimeout(() => app.warm(), warmAfterMs).unref();
  try {
    await (config.http === undefined ? serveStdio(app, stop) : serveHttp(app, config, log, stop));
  } finally {
    await app.close();
  }
  // What is left (a keep-alive timer, an unread pipe) has nothing to say any more.
  process.exit(0);
}

async function serveStdio(app: App, stop: AbortSignal): Promise<void> {
  const server = serveOnStdio(app.face, { owner: localOwner() });
  await Promise.race([server.ended, aborted(stop)]);
  await server.close();
}

async function serveHttp(app: App, config: Config, log: Logger, stop: AbortSignal): Promise<void> {
  const { startHttp } = await import('./serve-http.ts');
  const server = await startHttp(app, config, localOwner());
  log.info({ url: server.url }, 'Serving HTTP');
  await aborted(stop);
  await server.close();
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

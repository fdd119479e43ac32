import { createRequire } from 'node:module';
import type { Logger as Pino } from 'pino';
import { once } from './once.ts';
import { redact, redactText } from './redact.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** One JSON line a call, on stderr. Credentials in fields and message are redacted. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** An error goes under `error`. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Who speaks: `server`, `runner`. */
  readonly name: string;
  /** The descriptor to write to; stderr where not given. Never stdout: it belongs to the protocol. */
  readonly fd?: number;
}

/** Costs nothing until the first line that is loud enough: pino is loaded by it. */
export function createLogger({ level, name, fd = 2 }: LoggerOptions): Logger {
  const threshold = logLevels.indexOf(level);
  const pino = once(() => loadPino(name, fd));
  const at = (lineLevel: Exclude<LogLevel, 'silent'>) => {
    if (logLevels.indexOf(lineLevel) < threshold) return () => {};
    return (fields: LogFields, message: string) => pino()[lineLevel](redact(fields), redactText(message));
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export const silentLogger: Logger = createLogger({ level: 'silent', name: 'silent' });

/** Loaded at once, not in the background, so that a line written right before the end is not lost. */
function loadPino(name: string, fd: number): Pino {
  const { pino }: typeof import('pino') = createRequire(import.meta.url)('pino');
  return pino({ name, level: 'debug', base: { name, pid: process.pid } }, pino.destination({ fd, sync: false }));
}

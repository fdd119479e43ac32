import { z } from 'zod';
import { type HostRule, parseHostRule } from '../contracts/hosts.ts';

/** Settings that name hosts. */

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const noEntry = (text: string) => text.trim() === '';

/** `host:port`, IPv6 addresses in brackets. Undefined where it is none. */
export function hostPortOf(text: string): HostPort | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host !== undefined && port <= 65_535 ? { host, port } : undefined;
}

/** The pair as `hostPortOf` reads it. */
export function hostPortText({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Hosts and ports that may be reached though they are private. */
export const hostPorts = z.string().transform((text, context): HostPort[] =>
  everyEntry(text, context, 'must be host:port pairs, separated by commas, such as hooks.internal:8443', (entry) => {
    const pair = hostPortOf(entry);
    return pair === undefined ? undefined : { ...pair, host: pair.host.toLowerCase() };
  }),
);

/** Hosts that callers may reach. */
export const hostRules = z
  .string()
  .transform((text, context): HostRule[] =>
    everyEntry(text, context, 'must be hosts such as example.org, *.example.org or example.org:8443', parseHostRule),
  );

function everyEntry<T>(
  text: string,
  context: z.core.$RefinementCtx,
  message: string,
  parse: (entry: string) => T | undefined,
): T[] {
  const entries = text.split(',').filter((entry) => !noEntry(entry));
  return entries.map((entry) => {
    const parsed = parse(entry.trim());
    if (parsed === undefined) {
      context.issues.push({ code: 'custom', message, input: text });
      return z.NEVER;
    }
    return parsed;
  });
}

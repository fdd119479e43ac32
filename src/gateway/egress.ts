import type { LookupAddress } from 'node:dns';
import { lookup as systemLookup } from 'node:dns';
import { connect, isIP, type Socket } from 'node:net';
import type { DialTarget, Egress } from '../contracts/egress.ts';
import { RunyardError } from '../contracts/errors.ts';
import { looksLikeAddress } from '../contracts/hosts.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import { isPublicAddress } from './addresses.ts';

export interface EgressOptions {
  /** What the operator allows though it is private: exact names or addresses, and ports. */
  readonly privateTargets: readonly DialTarget[];
  /** The system's resolver where not given. */
  readonly resolve?: (host: string) => Promise<readonly LookupAddress[]>;
}

/** A host that answers nothing is not there, nor is one whose name nobody resolves by then. */
const connectTimeoutMs = 15_000;

export function createEgress({ privateTargets, resolve = resolveBySystem }: EgressOptions): Egress {
  const mayBePrivate = ({ host, port }: DialTarget) =>
    privateTargets.some((target) => target.host.toLowerCase() === host && target.port === port);

  /** Every address, checked: a name with one public and one private address is refused as a whole. */
  const addressesOf = async (target: DialTarget): Promise<readonly LookupAddress[]> => {
    const allowed = mayBePrivate(target);
    if (!allowed && looksLikeAddress(target.host)) {
      throw denied(target, 'is an address, and only names are reached from here');
    }
    const family = isIP(target.host);
    const addresses = family === 0 ? await resolve(target.host) : [{ address: target.host, family }];
    if (addresses.length === 0) throw denied(target, 'has no address');
    const refused = addresses.find(({ address }) => !allowed && !isPublicAddress(address));
    if (refused !== undefined) throw denied(target, `leads to ${refused.address}, which is not on the public internet`);
    return addresses;
  };

  const checked = async ({ host, port }: DialTarget, signal: AbortSignal) => {
    signal.throwIfAborted();
    const target = { host: host.toLowerCase().replace(/^\[|\]$/g, ''), port };
    return { target, addresses: await untilAborted(addressesOf(target), signal) };
  };

  return {
    async check(target, signal) {
      await checked(target, signal);
    },
    async dial(asked, signal) {
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(tooLate(asked)), connectTimeoutMs);
      const both = AbortSignal.any([signal, late.signal]);
      try {
        const { target, addresses } = await checked(asked, both);
        return await dialChecked(target, addresses, both);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

// --- Internal helpers ---

function denied({ host, port }: DialTarget, why: string): RunyardError {
  return new RunyardError('egress_denied', `${host}:${port} may not be reached: ${host} ${why}.`);
}

function tooLate({ host, port }: DialTarget): Error {
  return Object.assign(new Error(`${host}:${port} did not answer`), { code: 'ETIMEDOUT' });
}

function resolveBySystem(host: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    systemLookup(host, { all: true }, (error, addresses) => {
      if (error === null) resolve(addresses);
      else if (error.code === 'ENOTFOUND') resolve([]);
      else reject(error);
    });
  });
}

/** Connects to one of these addresses; whatever the name leads to by now, it is not asked again. */
function dialChecked(target: DialTarget, addresses: readonly LookupAddress[], signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: target.host,
      port: target.port,
      autoSelectFamily: true,
      lookup: (_host, options, answer) => {
        if (options.all === true) answer(null, [...addresses]);
        else answer(null, addresses[0]!.address, addresses[0]!.family);
      },
    });
    const abort = () => give(signal.reason);
    const give = (error: unknown) => {
      done();
      socket.destroy();
      reject(error);
    };
    const done = () => {
      signal.removeEventListener('abort', abort);
      socket.removeListener('error', give);
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', give);
    socket.once('connect', () => {
      done();
      resolve(socket);
    });
  });
}

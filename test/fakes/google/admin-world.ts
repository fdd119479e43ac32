import { GoogleFailure, serviceDisabled } from './failure.ts';
import type { RecordedRequest } from './server.ts';

/** A project as it is before anything was done to it. */
export const projectNumber = '123456789012';

export interface AdminOptions {
  readonly project?: string;
  /** Its name is not known, or not to those who ask. */
  readonly noProject?: boolean;
  readonly billingOff?: boolean;
  /** Names of buckets that other projects have. */
  readonly bucketsOfOthers?: readonly string[];
  /** How many requests do not know yet what was just made: an API, an account. */
  readonly slowToHear?: number;
  /** Regions in which this project may not build. */
  readonly closedForBuilds?: readonly string[];
  /** What becomes of builds; they succeed where nothing is said. */
  readonly buildFails?: { readonly type: string; readonly detail: string };
}

/** What all parts of the fake share. */
export interface World {
  readonly project: string;
  readonly options: AdminOptions;
  /** Everything that was made, in order, such as `bucket demo-runyard`: what is made twice stands here twice. */
  readonly made: string[];
  /** Names of enabled services. */
  readonly enabled: Set<string>;
  /** Emails. */
  readonly accounts: Map<string, object>;
  /** Throws what Google says while it has not heard of the thing everywhere. */
  requireHeard(thing: string, failure: () => GoogleFailure): void;
  /** From now on the thing has to be heard of. */
  justMade(thing: string): void;
  requireAccount(email: string): void;
}

export function createWorld(options: AdminOptions): World {
  const notHeard = new Map<string, number>();
  const accounts: World['accounts'] = new Map();
  const world: World = {
    project: options.project ?? 'demo-project',
    options,
    made: [],
    enabled: new Set(),
    accounts,
    justMade: (thing) => void notHeard.set(thing, options.slowToHear ?? 0),
    requireHeard(thing, failure) {
      const left = notHeard.get(thing) ?? 0;
      if (left === 0) return;
      notHeard.set(thing, left - 1);
      throw failure();
    },
    requireAccount(email) {
      const unknown = () => new GoogleFailure('INVALID_ARGUMENT', `Service account ${email} does not exist.`);
      if (!accounts.has(email)) throw unknown();
      world.requireHeard(email, unknown);
    },
  };
  return world;
}

export interface Incoming {
  /** What the pattern's groups matched. */
  readonly groups: readonly string[];
  readonly query: URLSearchParams;
  /** The JSON that came, if it was JSON. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly raw: RecordedRequest;
}

/** One method of one service. */
export interface Route {
  readonly method: string;
  /** Of the whole path. */
  readonly path: RegExp;
  readonly answer: (incoming: Incoming) => unknown;
}

/** A service by its host. */
export interface Service {
  readonly host: string;
  readonly routes: readonly Route[];
  /** Answers though nobody enabled it. */
  readonly always?: true;
}

export function requireEnabled({ host, always }: Service, world: World): void {
  const disabled = () => serviceDisabled(host, world.project);
  if (always) return;
  if (!world.enabled.has(host)) throw disabled();
  world.requireHeard(host, disabled);
}

export function refuse(status: GoogleFailure['status'], message: string): never {
  throw new GoogleFailure(status, message);
}

/** What stands in a body under a name, as an object. */
export function objectAt(value: unknown, name: string): Record<string, unknown> {
  const inner = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  return typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : {};
}

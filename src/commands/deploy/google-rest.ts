import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { GoogleEndpoints } from '../../contracts/cloud.ts';
import { mayPass, patiently, statusOfFailure } from '../../lib/google.ts';
import { GoogleRefusal, refusalOf, refusalOfCredentials, refusalOfNetwork } from './refusal.ts';

/** The services that a deployment talks to: the host is also the name by which the service is enabled. */
export const googleApis = {
  serviceUsage: { host: 'serviceusage.googleapis.com', title: 'Service Usage' },
  resourceManager: { host: 'cloudresourcemanager.googleapis.com', title: 'Resource Manager' },
  iam: { host: 'iam.googleapis.com', title: 'IAM' },
  storage: { host: 'storage.googleapis.com', title: 'Cloud Storage' },
  kms: { host: 'cloudkms.googleapis.com', title: 'Cloud KMS' },
  secretManager: { host: 'secretmanager.googleapis.com', title: 'Secret Manager' },
  artifactRegistry: { host: 'artifactregistry.googleapis.com', title: 'Artifact Registry' },
  cloudBuild: { host: 'cloudbuild.googleapis.com', title: 'Cloud Build' },
  run: { host: 'run.googleapis.com', title: 'Cloud Run' },
} as const;
export type ApiName = keyof typeof googleApis;

const settable: Readonly<Partial<Record<ApiName, keyof GoogleEndpoints>>> = {
  run: 'run',
  storage: 'storage',
  kms: 'kms',
  secretManager: 'secretManager',
};

/** Where an API is asked: Google's own place where no other is set. */
export function endpointOf(endpoints: GoogleEndpoints, api: ApiName): string {
  const name = settable[api];
  return (name === undefined ? undefined : endpoints[name]) ?? `https://${googleApis[api].host}`;
}

export interface Call {
  readonly api: ApiName;
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Begins with a slash. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, in place of `body`. */
  readonly bytes?: { readonly type: string; readonly content: Buffer };
  /** Where a second request could do a second time what the first did: an answer that got lost is not asked for again. */
  readonly once?: true;
}

/** Google's services as plain JSON. Every failure is a GoogleRefusal; what may pass was tried again before. */
export interface GoogleRest {
  send<T>(call: Call, answer: z.ZodType<T>): Promise<T>;
  /** Undefined where the answer is 404. */
  find<T>(call: Call, answer: z.ZodType<T>): Promise<T | undefined>;
  /** Done also where the answer is 409: it is there already. */
  create(call: Call): Promise<unknown>;
  /** Tries again what is refused only until Google has everywhere heard of what was just made. */
  settled<T>(work: () => Promise<T>, willPass: (refusal: GoogleRefusal) => boolean): Promise<T>;
  /** Looks again and again until there is something, at most for `withinMs`; then undefined. */
  poll<T>(look: () => Promise<T | undefined>, withinMs: number): Promise<T | undefined>;
}

export interface Patience {
  /** How long a request that fails in passing is tried again. */
  readonly retryMs: number;
  /** How long a fresh API, account or role may take until all of Google knows it; 0 does not wait. */
  readonly settleMs: number;
  /** Between two looks at something that takes its time. */
  readonly pollMs: number;
}

/** A role takes up to some minutes, by Google's own account. */
export const deployPatience: Patience = { retryMs: 60_000, settleMs: 240_000, pollMs: 3_000 };
/** A plan rather says that it could not look. */
export const planPatience: Patience = { retryMs: 4_000, settleMs: 0, pollMs: 1_000 };

export interface GoogleRestOptions {
  readonly project: string;
  /** `http://` is spoken without credentials. */
  readonly endpointOf: (api: ApiName) => string;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  /** Called once for everything that Google has to hear of first. */
  readonly onSettling?: (refusal: GoogleRefusal) => void;
}

const tryTimeoutMs = 60_000;
const longestPauseMs = 10_000;

export function createGoogleRest({ project, endpointOf, patience, signal, onSettling }: GoogleRestOptions): GoogleRest {
  const request = createTransport();

  const attempt = async (call: Call): Promise<unknown> => {
    const asked = { project, api: googleApis[call.api], request: `${call.method ?? 'GET'} ${call.path}` };
    try {
      const { status, body } = await request(urlOf(endpointOf(call.api), call), call, signal);
      if (status >= 200 && status < 300) return body;
      throw refusalOf(status, body, asked);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof GoogleRefusal) throw error;
      throw isLostOnTheWay(error) ? refusalOfNetwork(asked, error) : refusalOfCredentials(error);
    }
  };

  const send = async <T>(call: Call, answer: z.ZodType<T>): Promise<T> => {
    const once = () => attempt(call);
    // A refusal carries its status, which says whether it may pass; a lost connection is its cause.
    const body = await (call.once ? once() : patiently(once, { withinMs: patience.retryMs, signal }));
    const parsed = answer.safeParse(body);
    if (parsed.success) return parsed.data;
    throw refusalOf(502, `an answer of another shape (${z.prettifyError(parsed.error)})`, {
      project,
      api: googleApis[call.api],
      request: `${call.method ?? 'GET'} ${call.path}`,
    });
  };

  const settled: GoogleRest['settled'] = async (work, willPass) => {
    const deadline = Date.now() + patience.settleMs;
    for (let tries = 1, pauseMs = patience.pollMs / 2; ; tries++, pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        return await work();
      } catch (error) {
        const fresh = error instanceof GoogleRefusal && (error.obstacle === 'api_disabled' || willPass(error));
        if (!fresh || Date.now() + pauseMs > deadline) throw error;
        if (tries === 1) onSettling?.(error);
        await delay(pauseMs, undefined, { signal });
      }
    }
  };

  return {
    send,
    settled,
    find: (call, answer) => orElse(send(call, answer), 404, undefined),
    create: (call) => orElse(send(call, z.unknown()), 409, undefined),
    async poll(look, withinMs) {
      const deadline = Date.now() + withinMs;
      for (;;) {
        const found = await look();
        if (found !== undefined || Date.now() + patience.pollMs > deadline) return found;
        await delay(patience.pollMs, undefined, { signal });
      }
    },
  };
}

async function orElse<T, U>(work: Promise<T>, status: number, otherwise: U): Promise<T | U> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof GoogleRefusal && error.status === status && error.obstacle === 'other') return otherwise;
    throw error;
  }
}

/** No answer came, as against: nobody could say who is asking. */
function isLostOnTheWay(error: unknown): boolean {
  return statusOfFailure(error) === undefined && mayPass(error);
}

function urlOf(endpoint: string, { path, query = {} }: Call): URL {
  const url = new URL(`${endpoint}${path}`);
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) url.searchParams.append(name, each);
  }
  return url;
}

interface Received {
  readonly status: number;
  readonly body: unknown;
}

/** Google's library finds the credentials, at the first request; it is loaded then. */
function createTransport() {
  const clients = new Map<boolean, Promise<AuthorisedClient>>();
  return async (url: URL, { method = 'GET', body, bytes }: Call, signal: AbortSignal): Promise<Received> => {
    const secure = url.protocol === 'https:';
    const client = clients.get(secure) ?? openClient(secure);
    clients.set(secure, client);
    const content = bytes?.content ?? (body === undefined ? undefined : JSON.stringify(body));
    const type = bytes?.type ?? 'application/json';
    const { status, data } = await (await client).request<unknown>({
      url,
      method,
      ...(content === undefined ? {} : { data: content, headers: { 'content-type': type } }),
      responseType: 'text',
      timeout: tryTimeoutMs,
      signal,
      retry: false,
      validateStatus: () => true,
    });
    return { status, body: jsonOf(data) };
  };
}

type AuthorisedClient = Pick<import('google-auth-library').AuthClient, 'request'>;

async function openClient(secure: boolean): Promise<AuthorisedClient> {
  const { GoogleAuth, PassThroughClient } = await import('google-auth-library');
  if (!secure) return new PassThroughClient();
  return new GoogleAuth({ scopes: 'https://www.googleapis.com/auth/cloud-platform' }).getClient();
}

function jsonOf(text: unknown): unknown {
  if (typeof text !== 'string' || text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

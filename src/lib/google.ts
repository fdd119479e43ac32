import { setTimeout as delay } from 'node:timers/promises';

/** What the clients of Google's services have in common: where they go, who they are, and when they may try again. */
export interface GoogleService {
  readonly project: string;
  /** Google's own where undefined. `http://…` is spoken without credentials, `https://…` with the default ones. */
  readonly endpoint: string | undefined;
}

/**
 * Options for a generated client. It speaks HTTP/JSON, which starts faster and holds less memory than gRPC; the
 * project is always named, because the clients otherwise ask `gcloud` for it.
 */
export async function clientOptions({ project, endpoint }: GoogleService) {
  const { GoogleAuth, PassThroughClient } = await import('google-auth-library');
  const common = { projectId: project, fallback: true } as const;
  const insecure = isInsecure({ endpoint });
  const authClient = new PassThroughClient();
  // Where there are no credentials, a client that looks for them itself fails outside of any promise, which ends the
  // process. Asked for with each call, their absence is that call's error.
  if (!insecure) {
    const auth = new GoogleAuth({ projectId: project, scopes: cloudScope });
    Object.assign(authClient, { fetch: auth.fetch.bind(auth), request: auth.request.bind(auth) });
  }
  if (endpoint === undefined) return { ...common, authClient };
  const { hostname, port } = new URL(endpoint);
  const place = { ...common, authClient, apiEndpoint: hostname, port: Number(port) || (insecure ? 80 : 443) };
  return insecure ? { ...place, protocol: 'http' } : place;
}

const cloudScope = 'https://www.googleapis.com/auth/cloud-platform';

/** Whether it is spoken to without credentials. */
export function isInsecure({ endpoint }: Pick<GoogleService, 'endpoint'>): boolean {
  return endpoint?.startsWith('http:') ?? false;
}

/** The HTTP status that Google answered with; undefined where no answer came or it is no error of a Google client. */
export function statusOfFailure(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const candidates = [field(error, 'httpStatusCode'), field(error, 'status'), field(error, 'code')].map(Number);
  const status = candidates.find((each) => Number.isInteger(each) && each >= 300 && each < 600);
  if (status !== undefined) return status;
  // A code of gRPC, as the generated clients give it.
  return httpOfGrpc[String(field(error, 'code'))];
}

/** Google's own name of a refusal, such as `SERVICE_DISABLED`; undefined where it gave none. */
export function reasonOfFailure(error: unknown): string | undefined {
  const reason = typeof error === 'object' && error !== null ? field(error, 'reason') : undefined;
  return typeof reason === 'string' ? reason : undefined;
}

/** Whole seconds after which Google asks to be asked again; undefined where it did not say. */
export function retryDelayOf(error: unknown): number | undefined {
  const details = typeof error === 'object' && error !== null ? field(error, 'statusDetails') : undefined;
  if (!Array.isArray(details)) return undefined;
  const delays = details.map((detail) => Number((detail as RetryDetail | null)?.retryDelay?.seconds));
  return delays.find((seconds) => Number.isInteger(seconds) && seconds >= 0);
}

interface RetryDetail {
  readonly retryDelay?: { readonly seconds?: unknown };
}

/** Whether there is no credential to begin with, or the one there has been revoked. */
export function isMissingCredential(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const gone =
    /could not load the default credentials|the file at .* does not exist, or it is not a file|invalid_grant|invalid_rapt|reauth related error/i;
  return gone.test(error.message) || isMissingCredential(error.cause);
}

function field(error: object, name: string): unknown {
  return name in error ? (error as Record<string, unknown>)[name] : undefined;
}

const httpOfGrpc: Readonly<Record<string, number>> = {
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 400,
  10: 409,
  13: 500,
  14: 503,
  16: 401,
};

/** A failure of which whoever throws it knows that the next try may succeed. */
export class TransientError extends Error {}

/** Whether the same request may succeed a moment later: a lost connection, a busy or failing service. */
export function mayPass(error: unknown): boolean {
  if (error instanceof TransientError) return true;
  // The generated clients call it "unavailable", as if it were the network.
  if (isMissingCredential(error)) return false;
  const status = statusOfFailure(error);
  return status === undefined ? isLostConnection(error) : status === 408 || status === 429 || status >= 500;
}

const networkCodes =
  /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|UND_ERR|ERR_STREAM_PREMATURE_CLOSE|ABORT_ERR)/;

function isLostConnection(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const code = field(error, 'code') ?? field(error, 'type');
  if (typeof code === 'string' && networkCodes.test(code)) return true;
  if (field(error, 'name') === 'TimeoutError') return true;
  if (/socket hang up|premature close|fetch failed/i.test(String(field(error, 'message')))) return true;
  return 'cause' in error && isLostConnection(error.cause);
}

export interface PatienceOptions {
  /** No try begins later than this after the first. */
  readonly withinMs: number;
  readonly signal?: AbortSignal;
}

const firstPauseMs = 100;
const longestPauseMs = 5000;

/**
 * Tries again what may pass, with growing gaps from 100 ms and jitter. `attempt` counts from 0: after the first one an
 * answer may have been lost. Throws the last failure.
 */
export async function patiently<T>(
  work: (attempt: number) => Promise<T>,
  { withinMs, signal }: PatienceOptions,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      const pauseMs = Math.min(firstPauseMs * 2 ** attempt, longestPauseMs) * (0.5 + Math.random() / 2);
      if (!mayPass(error) || Date.now() + pauseMs > deadline) throw error;
      await delay(pauseMs, undefined, signal === undefined ? {} : { signal });
    }
  }
}

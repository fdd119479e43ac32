import { randomBytes } from 'node:crypto';
import { type Answer, type GoogleServer, type RecordedRequest, startGoogleServer } from './server.ts';

/** The metadata server of a machine in Google Cloud: whoever asks gets the token of the account. */
export interface MetadataServer extends GoogleServer {
  /** For `GCE_METADATA_HOST`. */
  readonly host: string;
  /** Whether it gave this token, and it has not expired. */
  gave(token: string): boolean;
  /** How long a token that it gave still lives; undefined for any other. */
  secondsLeft(token: string): number | undefined;
}

export interface MetadataOptions {
  readonly project: string;
  /** The account of the machine. */
  readonly email: string;
  readonly region?: string;
  readonly port?: number;
  /** Of a token that is given now; the same one is given until it has five minutes left, as on Cloud Run. */
  readonly tokenSeconds?: number;
}

export async function startMetadataServer(options: MetadataOptions): Promise<MetadataServer> {
  const tokens = createTokens((options.tokenSeconds ?? 3600) * 1000);
  const server = await startGoogleServer((request) => answerTo(request, options, tokens), options);
  return {
    ...server,
    host: new URL(server.url).host,
    gave: (token) => tokens.secondsLeft(token) !== undefined,
    secondsLeft: tokens.secondsLeft,
  };
}

// --- Internal helpers ---

interface Tokens {
  current(): { readonly token: string; readonly expiresIn: number };
  secondsLeft(token: string): number | undefined;
}

const renewMs = 300_000;

function createTokens(lifeMs: number): Tokens {
  const given = new Map<string, number>();
  const state: { token?: string } = {};
  const leftMs = (token: string) => (given.get(token) ?? 0) - Date.now();
  return {
    current() {
      if (state.token === undefined || leftMs(state.token) <= Math.min(renewMs, lifeMs / 2)) {
        state.token = `ya29.c.${randomBytes(48).toString('base64url')}`;
        given.set(state.token, Date.now() + lifeMs);
      }
      return { token: state.token, expiresIn: Math.floor(leftMs(state.token) / 1000) };
    },
    secondsLeft: (token) => (leftMs(token) > 0 ? leftMs(token) / 1000 : undefined),
  };
}

const flavor = { 'metadata-flavor': 'Google', server: 'Metadata Server for VM' };
const base = '/computeMetadata/v1';
const number = '123456789012';

function answerTo(request: RecordedRequest, options: MetadataOptions, tokens: Tokens): Answer {
  const path = new URL(request.url, 'http://metadata').pathname.replace(/\/$/, '');
  if (path === '') return text('0.1/\ncomputeMetadata/\n');
  // Both are how a browser, or a proxy that was talked into asking, gives itself away.
  if (request.headers['metadata-flavor'] !== 'Google' || request.headers['x-forwarded-for'] !== undefined)
    return {
      status: 403,
      headers: { ...flavor, 'content-type': 'text/html' },
      body: 'Missing Metadata-Flavor:Google.',
    };
  const found = valuesOf(options, tokens)[path];
  return found === undefined ? { status: 404, headers: flavor, body: 'Not Found' } : found();
}

function valuesOf({ project, email, region = 'europe-west1' }: MetadataOptions, tokens: Tokens) {
  const account = `${base}/instance/service-accounts`;
  const token = () => {
    const { token: access_token, expiresIn: expires_in } = tokens.current();
    return object({ access_token, expires_in, token_type: 'Bearer' });
  };
  const values: Record<string, () => Answer> = {
    [base]: () => text('instance/\nproject/\nuniverse/\n'),
    [`${base}/instance`]: () => text('id\nregion\nservice-accounts/\n'),
    [`${base}/instance/id`]: () => text('1234567890123456789'),
    [`${base}/instance/region`]: () => text(`projects/${number}/regions/${region}`),
    [`${base}/project/project-id`]: () => text(project),
    [`${base}/project/numeric-project-id`]: () => text(number),
    [`${base}/universe/universe-domain`]: () => text('googleapis.com'),
    [account]: () => object({ default: { email, aliases: ['default'], scopes: [cloudScope] } }),
  };
  for (const who of ['default', email]) {
    values[`${account}/${who}/email`] = () => text(email);
    values[`${account}/${who}/scopes`] = () => text(`${cloudScope}\n`);
    values[`${account}/${who}/token`] = token;
  }
  return values;
}

const cloudScope = 'https://www.googleapis.com/auth/cloud-platform';

function text(body: string): Answer {
  return { status: 200, headers: { ...flavor, 'content-type': 'application/text' }, body };
}

function object(value: unknown): Answer {
  return { status: 200, headers: { ...flavor, 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import {
  type Answer,
  type GoogleFakeOptions,
  type GoogleServer,
  json,
  noSuchAddress,
  type RecordedRequest,
  startGoogleServer,
} from './server.ts';

/** The token service: it exchanges an access token for one that can do less. */
export interface StsServer extends GoogleServer {
  /** What a token that it gave can do; undefined for a token of somebody else and for one that has expired. */
  boundaryOf(token: string): Boundary | undefined;
}

export interface Boundary {
  /** The token it was exchanged for: whose rights are cut down. */
  readonly subjectToken: string;
  readonly rules: readonly BoundaryRule[];
}

export interface StsOptions extends Pick<GoogleFakeOptions, 'port' | 'disturb'> {
  /** How long an access token still lives; undefined for one that is none. An hour for any where not given. */
  readonly secondsLeft?: (subjectToken: string) => number | undefined;
  /** How long the tokens are that it gives: Google's are up to 12,288 bytes. */
  readonly tokenBytes?: number;
}

const boundaryRule = z.strictObject({
  availableResource: z.string().regex(/^\/\/storage\.googleapis\.com\/projects\/_\/buckets\/[^/]+$/),
  availablePermissions: z.array(z.string().regex(/^inRole:(roles|projects\/[^/]+\/roles)\/[\w.]+$/)).min(1),
  availabilityCondition: z
    .strictObject({ expression: z.string().min(1), title: z.string().optional(), description: z.string().optional() })
    .optional(),
});
export type BoundaryRule = z.infer<typeof boundaryRule>;

/** At most ten rules, of Cloud Storage alone. */
const boundaryOptions = z.strictObject({
  accessBoundary: z.strictObject({ accessBoundaryRules: z.array(boundaryRule).min(1).max(10) }),
});

export async function startSts(options: StsOptions = {}): Promise<StsServer> {
  const { secondsLeft = () => 3600, tokenBytes = 1024 } = options;
  const given = new Map<string, { readonly boundary: Boundary; readonly expiresAtMs: number }>();

  const exchange = (request: RecordedRequest): Answer => {
    const form = new URLSearchParams(request.body);
    const fault = faultOfForm(form);
    if (fault !== undefined) return refusal('invalid_request', fault);
    const rules = rulesOf(form.get('options'));
    if (typeof rules === 'string') return refusal('invalid_request', rules);
    const subjectToken = form.get('subject_token') ?? '';
    // A token that was cut down already is none that can be exchanged.
    const seconds = given.has(subjectToken) ? undefined : secondsLeft(subjectToken);
    if (seconds === undefined || seconds <= 0)
      return refusal('invalid_grant', 'The subject token is invalid or has expired.');
    const token = `ya29.dr.${randomBytes(Math.ceil(tokenBytes / 2)).toString('hex')}`.slice(0, tokenBytes);
    given.set(token, { boundary: { subjectToken, rules }, expiresAtMs: Date.now() + seconds * 1000 });
    return json({
      access_token: token,
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: Math.floor(seconds),
    });
  };

  const server = await startGoogleServer((request) => {
    if (request.method !== 'POST' || request.url.split('?')[0] !== '/v1/token') return noSuchAddress;
    if (!request.headers['content-type']?.startsWith('application/x-www-form-urlencoded'))
      return refusal('invalid_request', 'The body is no form.');
    return exchange(request);
  }, options);
  return {
    ...server,
    boundaryOf(token) {
      const entry = given.get(token);
      return entry === undefined || entry.expiresAtMs <= Date.now() ? undefined : entry.boundary;
    },
  };
}

// --- Internal helpers ---

const accessToken = 'urn:ietf:params:oauth:token-type:access_token';

const fixedFields = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  requested_token_type: accessToken,
  subject_token_type: accessToken,
};

function faultOfForm(form: URLSearchParams): string | undefined {
  for (const [name, value] of Object.entries(fixedFields)) {
    if (form.get(name) !== value) return `Invalid value for "${name}".`;
  }
  return form.get('subject_token') ? undefined : 'The subject token is missing.';
}

/** The rules, or what is wrong with them. */
function rulesOf(options: string | null): BoundaryRule[] | string {
  try {
    const parsed = boundaryOptions.safeParse(JSON.parse(options ?? ''));
    if (parsed.success) return parsed.data.accessBoundary.accessBoundaryRules;
    return `The access boundary is invalid: ${parsed.error.issues[0]?.path.join('.')} ${parsed.error.issues[0]?.message}`;
  } catch {
    return 'The options are no JSON.';
  }
}

function refusal(error: string, description: string): Answer {
  return { status: 400, body: JSON.stringify({ error, error_description: description }) };
}

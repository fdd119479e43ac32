import { z } from 'zod';
import { RunyardError } from '../contracts/errors.ts';

/** A refusal as octokit throws it. A network failure has the same class and no `response`. */
const refusal = z.object({
  status: z.int(),
  response: z.object({ headers: z.record(z.string(), z.unknown()), data: z.unknown() }),
});

const refusalBody = z.object({
  message: z.string().catch(''),
  errors: z
    .array(z.object({ field: z.string().catch(''), code: z.string().catch('') }).catch({ field: '', code: '' }))
    .catch([]),
});

export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  /** GitHub's words: for deciding, never for showing. */
  readonly message: string;
  readonly fields: readonly { readonly field: string; readonly code: string }[];
}

/** What GitHub answered, where the thrown thing is an answer at all. */
export function readRefusal(error: unknown): Refusal | undefined {
  const parsed = refusal.safeParse(error);
  if (!parsed.success) return undefined;
  const { status, response } = parsed.data;
  const body = refusalBody.safeParse(response.data);
  return {
    status,
    headers: response.headers,
    message: body.success ? body.data.message : '',
    fields: body.success ? body.data.errors : [],
  };
}

/** Seconds until the same call may succeed, where the refusal is a rate limit; undefined where it is none. */
export function rateLimitSeconds({ status, headers, message }: Refusal, nowMs: number): number | undefined {
  if (status !== 403 && status !== 429) return undefined;
  const retryAfter = Number.parseInt(String(headers['retry-after']), 10);
  if (retryAfter >= 0) return retryAfter;
  if (headers['x-ratelimit-remaining'] === '0') {
    const resetSeconds = Number.parseInt(String(headers['x-ratelimit-reset']), 10) - nowMs / 1000;
    return Number.isFinite(resetSeconds) ? Math.max(0, Math.ceil(resetSeconds)) + 1 : unknownWaitSeconds;
  }
  return status === 429 || /secondary rate|abuse detection/i.test(message) ? unknownWaitSeconds : undefined;
}

/** What GitHub's documentation asks for where an answer names no time. */
const unknownWaitSeconds = 60;

/** GitHub said no: one error of the catalogue for each way of saying it. */
export function refusalError(answer: Refusal, repo: string): RunyardError {
  const { status } = answer;
  switch (status) {
    case 401:
      return new RunyardError('unauthorized', 'GitHub does not accept the token: it is wrong, expired or revoked.', {
        hint: 'Renew it: the one that the call brought, else GITHUB_TOKEN of the operator of this Runyard.',
      });
    case 403:
      return forbiddenError(answer, repo);
    case 404:
      return new RunyardError(
        'not_found',
        `GitHub shows no repository ${repo}: it does not exist, or the token may not see it.`,
        {
          hint: `Check the name. If it is right, the token (of the call, else GITHUB_TOKEN) needs access to ${repo} with "Issues: write".`,
        },
      );
    case 410:
      return new RunyardError('github_error', `Issues are disabled in ${repo}.`, {
        hint: 'Turn issues on in the settings of the repository, or choose another one.',
      });
    case 422:
      return invalidFieldsError(answer, repo);
    default:
      return otherStatusError(status, repo);
  }
}

/** `retryAfterSeconds` as GitHub told. */
export function rateLimitError(retryAfterSeconds: number): RunyardError {
  return new RunyardError(
    'rate_limited',
    `GitHub asks for fewer calls: nothing was created. It takes more after ${retryAfterSeconds} s.`,
    {
      hint: `Wait ${retryAfterSeconds} s and call again.`,
      retryAfterSeconds,
    },
  );
}

function forbiddenError({ headers, message }: Refusal, repo: string): RunyardError {
  if (/archived/i.test(message)) {
    return new RunyardError('forbidden', `${repo} is archived, so it takes no issues.`, {
      hint: 'Choose another repository.',
    });
  }
  if ('x-github-sso' in headers) {
    return new RunyardError(
      'forbidden',
      `The token is not authorized for the single sign-on of the organization of ${repo}.`,
      {
        hint: 'The owner of the token (of the call, else GITHUB_TOKEN) authorizes it for that organization in the token settings of GitHub.',
      },
    );
  }
  return new RunyardError('forbidden', `The token may not create issues in ${repo}.`, {
    hint: 'Give the token (of the call, else GITHUB_TOKEN) the permission "Issues: write" for it.',
  });
}

/** Names of fields and codes are shown only where they are plain words, for the answer is a stranger's text. */
function invalidFieldsError({ fields }: Refusal, repo: string): RunyardError {
  const plain = /^[a-z_]{1,40}$/;
  const named = fields.filter(({ field }) => plain.test(field));
  if (named.length === 0) return new RunyardError('invalid_request', `GitHub finds the issue for ${repo} not valid.`);
  const list = named.map(({ field, code }) => (plain.test(code) ? `${field} (${code})` : field)).join(', ');
  return new RunyardError('invalid_request', `GitHub does not accept these fields of the issue for ${repo}: ${list}.`, {
    hint: 'Correct the named field. Assignees must be able to work on the repository.',
  });
}

function otherStatusError(status: number, repo: string): RunyardError {
  if (status >= 500) {
    return new RunyardError(
      'github_error',
      `GitHub answered ${status}: the issue in ${repo} may have been created all the same.`,
      {
        hint: 'Look into the list of issues before you call again.',
      },
    );
  }
  return new RunyardError('github_error', `GitHub answered ${status} and created nothing in ${repo}.`);
}

import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { RunyardError } from '../contracts/errors.ts';
import type { CreatedIssue, IssueTracker, NewIssue } from '../contracts/github.ts';
import { type Logger, silentLogger } from '../lib/logger.ts';
import { once } from '../lib/once.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import { rateLimitError, rateLimitSeconds, readRefusal, refusalError } from './answers.ts';
import { type Attempt, carefulFetch, networkCode } from './careful-fetch.ts';
import { createPatience, type Patience } from './patience.ts';
import { checkAllowed, parseRepository, type Repository } from './repository.ts';

export interface IssueTrackerOptions {
  /** `https://api.github.com`, or `https://HOST/api/v3` of a GitHub Enterprise server. */
  readonly apiUrl: string;
  /** Undefined where none is configured: every call is then `secret_unavailable`. */
  readonly token: string | undefined;
  /** `owner/name` or `owner/*`; any repository the token may write where not given. */
  readonly repos?: readonly string[] | undefined;
  readonly log?: Logger;
}

/** Of all further tries together. */
const patienceMs = 5_000;
/** The throttling plugin lets no further POST through before: waited for here, so that it counts. */
const paceMs = 3_000;
/** Of one call, waiting for its turn included. */
const deadlineMs = 45_000;

const createdIssue = z.object({ number: z.int().min(1), html_url: z.url({ protocol: /^https?$/ }) });

/** The IssueTracker on GitHub's REST API. Octokit is loaded by the first call. */
export function createIssueTracker({ apiUrl, token, repos, log = silentLogger }: IssueTrackerOptions): IssueTracker {
  const client = once(() => connect(apiUrl, usableToken(token), log));
  return {
    async createIssue(issue, signal, broughtToken) {
      const repository = parseRepository(issue.repo);
      checkAllowed(repository, repos);
      // The pace that is kept with the operator's token is nobody else's.
      const octokit = await (broughtToken === undefined ? client() : connect(apiUrl, usableToken(broughtToken), log));
      return callOnce(octokit, repository, issue, signal, log);
    },
  };
}

type Client = Awaited<ReturnType<typeof connect>>;

async function connect(apiUrl: string, token: string, log: Logger) {
  const [{ Octokit }, { throttling }] = await Promise.all([
    import('@octokit/core'),
    import('@octokit/plugin-throttling'),
  ]);
  const quiet = {
    debug() {},
    info() {},
    warn: (text: string) => log.warn({}, text),
    error: (text: string) => log.error({}, text),
  };
  return new (Octokit.plugin(throttling))({
    auth: token,
    baseUrl: apiUrl.replace(/\/+$/, ''),
    userAgent: 'runyard',
    log: quiet,
    request: { log: quiet, redirect: 'manual' },
    // The plugin keeps the pace that GitHub asks of writers; whether to try again is decided here, in one place.
    throttle: { id: randomUUID(), onRateLimit: () => false, onSecondaryRateLimit: () => false },
  });
}

async function callOnce(
  octokit: Client,
  repository: Repository,
  issue: NewIssue,
  signal: AbortSignal,
  log: Logger,
): Promise<CreatedIssue> {
  const attempt: Attempt = { mayBeCarriedOut: false };
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
  const patience = createPatience(patienceMs, deadline);
  try {
    const answer = await untilAborted(
      post(octokit, repository, issue, { attempt, patience, signal: deadline, log }),
      deadline,
    );
    return readCreated(answer, issue.repo);
  } catch (error) {
    if (error instanceof RunyardError) throw error;
    if (signal.aborted) throw new RunyardError('cancelled', `The call was given up: ${fate(attempt, issue.repo)}`);
    throw networkError(error, attempt, issue.repo);
  }
}

interface Call {
  readonly attempt: Attempt;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** One POST; again after a rate limit that passes soon, for such an answer proves that nothing was done. */
async function post(octokit: Client, { owner, name }: Repository, issue: NewIssue, call: Call): Promise<Answer> {
  try {
    return await octokit.request('POST /repos/{owner}/{repo}/issues', {
      owner,
      repo: name,
      title: issue.title,
      body: issue.body,
      ...(issue.labels === undefined ? {} : { labels: [...issue.labels] }),
      ...(issue.assignees === undefined ? {} : { assignees: [...issue.assignees] }),
      request: { signal: call.signal, fetch: carefulFetch(call.attempt, call.patience, call.log) },
    });
  } catch (error) {
    const refusal = readRefusal(error);
    if (refusal === undefined) throw error;
    call.attempt.mayBeCarriedOut = false;
    const seconds = rateLimitSeconds(refusal, Date.now());
    if (seconds === undefined) throw refusalError(refusal, issue.repo);
    if (!(await call.patience.wait(Math.max(seconds * 1000, paceMs)))) throw rateLimitError(seconds);
    call.log.info({ repo: issue.repo, seconds }, 'GitHub asked for fewer calls; trying again');
    return post(octokit, { owner, name }, issue, call);
  }
}

interface Answer {
  readonly status: number;
  readonly data: unknown;
}

function readCreated({ status, data }: Answer, repo: string): CreatedIssue {
  if (status >= 300) {
    throw new RunyardError('not_found', `${repo} was moved or renamed, so nothing was created.`, {
      hint: 'Call again with its new name.',
    });
  }
  const issue = createdIssue.safeParse(data);
  if (!issue.success) {
    throw new RunyardError(
      'github_error',
      `GitHub answered ${status} with something that is no issue: one may have been created in ${repo}.`,
      {
        hint: 'Look into the list of issues before you call again. The operator checks GITHUB_API_URL: it must be the address of the API.',
      },
    );
  }
  return { number: issue.data.number, url: issue.data.html_url };
}

function networkError(error: unknown, attempt: Attempt, repo: string): RunyardError {
  const code = networkCode(error);
  const what = isTimeout(error)
    ? `GitHub did not answer within ${deadlineMs / 1000} s`
    : `The connection to GitHub failed${code === '' ? '' : ` (${code})`}`;
  return new RunyardError('github_error', `${what}: ${fate(attempt, repo)}`, {
    hint: attempt.mayBeCarriedOut
      ? 'Look into the list of issues before you call again.'
      : 'Call again later. The operator checks GITHUB_API_URL and the network of this Runyard.',
  });
}

function fate({ mayBeCarriedOut }: Attempt, repo: string): string {
  return mayBeCarriedOut ? `the issue may have been created in ${repo}.` : `nothing was created in ${repo}.`;
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && (error.name === 'TimeoutError' || isTimeout(error.cause));
}

/** Throws `secret_unavailable`, without a word of the token itself. */
function usableToken(token: string | undefined): string {
  const hint = 'The operator sets GITHUB_TOKEN to a token with "Issues: write" and starts Runyard again.';
  const trimmed = token?.trim() ?? '';
  if (trimmed === '')
    throw new RunyardError('secret_unavailable', 'GITHUB_TOKEN is not set, so no issue can be created.', { hint });
  if (!/^[\x21-\x7e]+$/.test(trimmed)) {
    throw new RunyardError(
      'secret_unavailable',
      'GITHUB_TOKEN holds characters that no token has, such as a line break.',
      { hint },
    );
  }
  return trimmed;
}

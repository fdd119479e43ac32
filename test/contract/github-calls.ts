import { afterEach } from 'vitest';
import { RunyardError } from '../../src/contracts/errors.ts';
import type { NewIssue } from '../../src/contracts/github.ts';
import { createIssueTracker } from '../../src/github/issue-tracker.ts';
import { type GithubServer, type Scripted, startGithubServer } from '../fakes/github-server.ts';

/** What the tests of the GitHub adapter share. */

export const token = 'ghp_placeholder0123456789';
export const repo = 'octo-org/hello.world';
export const issue: NewIssue = { repo, title: 'It leaks', body: 'Under the sink.' };

/** Starts scripted servers that are closed after each test. */
export function githubServers(): (...script: Scripted[]) => Promise<GithubServer> {
  const running: GithubServer[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.close()));
  });
  return async (...script) => {
    const server = await startGithubServer(script);
    running.push(server);
    return server;
  };
}

export function create(
  apiUrl: string,
  over: Partial<NewIssue> = {},
  repos?: readonly string[],
  signal = new AbortController().signal,
) {
  return createIssueTracker({ apiUrl, token, repos }).createIssue({ ...issue, ...over }, signal);
}

/** The error of the catalogue that the call ends with; the token stands nowhere in it. */
export async function errorOf(call: Promise<unknown>): Promise<RunyardError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RunyardError)) throw new Error('expected an error of the catalogue', { cause: error });
  if (`${error.message} ${error.hint} ${error.stack} ${String(error.cause)}`.includes(token)) {
    throw new Error('the token stands in the error');
  }
  return error;
}

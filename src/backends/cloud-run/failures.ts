import type { CloudPlace } from '../../contracts/cloud.ts';
import { RunyardError } from '../../contracts/errors.ts';
import { isMissingCredential, mayPass, reasonOfFailure, retryDelayOf, statusOfFailure } from '../../lib/google.ts';

/** What was asked of Cloud Run, in the words of its errors. */
export interface Asked {
  /** As in "may not {verb}". */
  readonly verb: string;
  /** Full name of the resource. */
  readonly resource: string;
  readonly permission: string;
  /** The least role that holds the permission. */
  readonly role: string;
}

const quotaPauseSeconds = 10;

/** Why Cloud Run did not do what was asked: what happened, to what, what to do next. */
export function cloudRunFailure(cause: unknown, asked: Asked, place: CloudPlace): RunyardError {
  if (cause instanceof RunyardError) return cause;
  if (isMissingCredential(cause)) return noCredential(cause);
  switch (statusOfFailure(cause)) {
    case 401:
      return noCredential(cause);
    case 403:
      return denied(cause, asked, place);
    case 404:
      return notThere(cause, asked, place);
    case 409:
      return notNow(`Cloud Run is changing ${asked.resource} at the moment.`, cause);
    case 429:
      return notNow(
        `Cloud Run's quota of calls a minute in ${place.region} of project ${place.project} is used up.`,
        cause,
      );
  }
  if (mayPass(cause)) {
    return new RunyardError(
      'backend_error',
      `Cloud Run did not answer when asked to ${asked.verb} ${asked.resource}.`,
      {
        hint: 'It is asked again; nothing is run twice.',
        cause,
      },
    );
  }
  return final(`Cloud Run refused to ${asked.verb} ${asked.resource}.`, {
    hint: 'The log of the server holds its own words; "runyard doctor" checks the installation.',
    cause,
  });
}

export function noCredential(cause: unknown): RunyardError {
  return final('Google takes no credential of this server.', {
    hint: 'Run "gcloud auth application-default login", or set GOOGLE_APPLICATION_CREDENTIALS; then start the server again.',
    cause,
  });
}

/** Nothing was started: the same may be asked again in a while. */
function notNow(message: string, cause: unknown): RunyardError {
  const retryAfterSeconds = retryDelayOf(cause) ?? quotaPauseSeconds;
  return new RunyardError('rate_limited', message, {
    hint: `It is asked again in ${retryAfterSeconds} s. A larger quota: https://cloud.google.com/run/quotas`,
    retryAfterSeconds,
    cause,
  });
}

function denied(cause: unknown, { verb, resource, permission, role }: Asked, place: CloudPlace): RunyardError {
  switch (reasonOfFailure(cause)) {
    case 'SERVICE_DISABLED':
      return apiDisabled('run.googleapis.com', place, cause);
    case 'CONSUMER_INVALID':
    case 'CONSUMER_SUSPENDED':
    case 'USER_PROJECT_DENIED':
      return final(`There is no project ${place.project} that this server may use.`, {
        hint: 'Check RUNYARD_PROJECT and the account the server runs as.',
        cause,
      });
  }
  return final(`This server may not ${verb} ${resource}: it lacks the permission ${permission}.`, {
    hint: `Run "runyard deploy" again, or grant ${role} on it to the account of the server; a grant takes a minute.`,
    cause,
  });
}

export function apiDisabled(api: string, { project }: CloudPlace, cause: unknown): RunyardError {
  return final(`The API ${api} is switched off in project ${project}.`, {
    hint: `Run "gcloud services enable ${api} --project ${project}", or "runyard deploy".`,
    cause,
  });
}

function notThere(cause: unknown, { resource }: Asked, { project, region }: CloudPlace): RunyardError {
  return final(`Cloud Run has no ${resource}.`, {
    hint: `Make it with "runyard deploy --project ${project} --region ${region}", or check RUNYARD_JOB.`,
    cause,
  });
}

function final(message: string, options: { readonly hint: string; readonly cause: unknown }): RunyardError {
  return new RunyardError('backend_error', message, { ...options, retryable: false });
}

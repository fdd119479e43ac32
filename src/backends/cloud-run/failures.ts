import type { CloudPlace } from '../../contracts/cloud.ts';
import { RunyardError } from '../../contracts/errors.ts';
import { mayPass, reasonOfFailure, retryDelayOf, statusOfFailure } from '../../lib/google.ts';
import { accountOf, commonTrouble, missingPermission, withoutAnswer } from '../../lib/google-trouble.ts';

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
export async function cloudRunFailure(error: unknown, asked: Asked, place: CloudPlace): Promise<RunyardError> {
  if (error instanceof RunyardError) return error;
  const { verb, resource } = asked;
  const { project, region } = place;
  const common = commonTrouble(error, { name: 'Cloud Run', api: 'run.googleapis.com', project });
  if (common?.retryable === false) return final(common.message, common.hint, error);
  switch (statusOfFailure(error)) {
    case 403:
      return denied(error, asked, place);
    case 404:
      return final(
        `Cloud Run has no ${resource}.`,
        `Make it with "runyard deploy --project ${project} --region ${region}", or check RUNYARD_JOB.`,
        error,
      );
    case 409:
      return notNow(`Cloud Run is changing ${resource} at the moment.`, '', error);
    case 429:
      return notNow(
        `Cloud Run's quota of calls a minute in ${region} of project ${project} is used up.`,
        ' A larger quota: https://cloud.google.com/run/quotas',
        error,
      );
  }
  if (mayPass(error)) {
    return new RunyardError('backend_error', `Cloud Run did not answer when asked to ${verb} ${resource}.`, {
      hint: 'It is asked again; nothing is run twice.',
      cause: withoutAnswer(error),
    });
  }
  return final(
    `Cloud Run refused to ${verb} ${resource}.`,
    'The log of the server holds its own words; "runyard doctor" checks the installation.',
    error,
  );
}

/** Only an operator can mend it. */
export function final(message: string, hint: string, error: unknown): RunyardError {
  return new RunyardError('backend_error', message, { hint, cause: withoutAnswer(error), retryable: false });
}

/** Nothing was started: the same may be asked again in a while. */
function notNow(message: string, remedy: string, error: unknown): RunyardError {
  const retryAfterSeconds = retryDelayOf(error) ?? quotaPauseSeconds;
  return new RunyardError('rate_limited', message, {
    hint: `It is asked again in ${retryAfterSeconds} s.${remedy}`,
    retryAfterSeconds,
    cause: withoutAnswer(error),
  });
}

const projectReasons = ['CONSUMER_INVALID', 'CONSUMER_SUSPENDED', 'USER_PROJECT_DENIED'];

async function denied(error: unknown, asked: Asked, place: CloudPlace): Promise<RunyardError> {
  const { verb, resource, permission, role } = asked;
  if (projectReasons.includes(reasonOfFailure(error) ?? '')) {
    return final(
      `There is no project ${place.project} that this server may use.`,
      'Check RUNYARD_PROJECT and the account the server runs as.',
      error,
    );
  }
  const account = await accountOf({ project: place.project, endpoint: place.endpoints.run });
  return final(
    `It is forbidden to ${verb} ${resource}: ${account} lacks the permission ${missingPermission(error) ?? permission}, or it is not there.`,
    `Run "runyard deploy" again, or grant ${role} on it to that account; a grant takes a minute.`,
    error,
  );
}

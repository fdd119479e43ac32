import { RunyardError } from '../contracts/errors.ts';
import { type GoogleService, statusOfFailure, TransientError } from '../lib/google.ts';
import { accountOf, commonTrouble, missingPermission, withoutAnswer } from '../lib/google-trouble.ts';

export interface SecretAsked extends GoogleService {
  readonly reference: string;
  /** `projects/P/secrets/S`. */
  readonly secret: string;
  readonly signal: AbortSignal;
}

/** Why Secret Manager did not give a value. */
export async function inWords(error: unknown, asked: SecretAsked): Promise<RunyardError> {
  if (error instanceof RunyardError) return error;
  const { why, hint } = await troubleOf(error, asked);
  const message = `${asked.reference} cannot be read: ${why}`;
  return new RunyardError('secret_unavailable', message, { hint, cause: withoutAnswer(error) });
}

// --- Internal helpers ---

interface Sentence {
  readonly why: string;
  readonly hint: string;
}

async function troubleOf(error: unknown, { secret, project, endpoint, signal }: SecretAsked): Promise<Sentence> {
  if (error instanceof TransientError)
    return {
      why: 'its value arrived changed, again and again.',
      hint: 'Check the network between the server and Google.',
    };
  if (signal.aborted) return { why: 'Secret Manager did not answer in time.', hint: 'Call again in a while.' };
  const common = commonTrouble(error, { name: 'Secret Manager', api: 'secretmanager.googleapis.com', project });
  if (common !== undefined) return { why: common.message, hint: common.hint };
  switch (statusOfFailure(error)) {
    case 403:
      return denied(
        secret,
        missingPermission(error) ?? 'secretmanager.versions.access',
        await accountOf({ project, endpoint }),
      );
    case 404:
      return {
        why: `there is no secret ${secret}, or it has no version.`,
        hint: `Run "gcloud secrets create NAME --data-file=FILE --project ${project}", or add a version to it.`,
      };
    case 400:
      return {
        why: `the latest version of ${secret} is disabled or destroyed; an older one is not taken in its place.`,
        hint: 'Enable it, or add a new version: "gcloud secrets versions add NAME --data-file=FILE".',
      };
    default:
      return { why: `Secret Manager refused to give ${secret}.`, hint: 'The log of the server holds its own words.' };
  }
}

function denied(secret: string, permission: string, account: string): Sentence {
  return {
    why: `${account} lacks the permission ${permission} on ${secret}, or there is no such secret.`,
    hint: 'Grant roles/secretmanager.secretAccessor on that secret to the account of the server; a grant takes a minute.',
  };
}

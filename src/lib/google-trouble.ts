import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import {
  type GoogleService,
  isInsecure,
  isMissingCredential,
  mayPass,
  reasonOfFailure,
  statusOfFailure,
  TransientError,
} from './google.ts';

/** What a failure of one of Google's generated clients says, for a sentence and for a log. */

export interface Trouble {
  readonly message: string;
  readonly hint: string;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
}

export interface AskedService {
  /** As in "did not answer". */
  readonly name: string;
  /** Such as `cloudkms.googleapis.com`. */
  readonly api: string;
  readonly project: string;
}

/** What can be wrong with every service alike; undefined where the service itself has refused. */
export function commonTrouble(error: unknown, { name, api, project }: AskedService): Trouble | undefined {
  if (isMissingCredential(error) || statusOfFailure(error) === 401) {
    return {
      message: `Google takes no credential of this process, so ${name} cannot be asked.`,
      hint: 'Run "gcloud auth application-default login", or name a key file in GOOGLE_APPLICATION_CREDENTIALS.',
      retryable: false,
    };
  }
  if (reasonOfFailure(error) === 'SERVICE_DISABLED') {
    return {
      message: `The API ${api} is switched off in project ${project}.`,
      hint: `Run "gcloud services enable ${api} --project ${project}".`,
      retryable: false,
    };
  }
  if (!mayPass(error)) return undefined;
  const status = answerOf(error);
  const how = status === undefined ? 'did not answer' : `answered ${status}`;
  return {
    message: `${name} ${how}, again and again.`,
    hint: 'Check the network and the quota of the project, then call again.',
    retryable: true,
  };
}

const denial = z.object({ errorInfoMetadata: z.object({ permission: z.string().min(1) }) });

/** The permission that was missing; undefined where Google did not say. */
export function missingPermission(error: unknown): string | undefined {
  return denial.safeParse(error).data?.errorInfoMetadata.permission;
}

const violation = z.object({ type: z.string(), subject: z.string() });
const detail = z.object({ violations: z.array(violation).min(1) });
const failure = z.object({ statusDetails: z.array(z.unknown()) });

/** What is in the way, such as `KEY_DISABLED` of a version; undefined where Google did not say. */
export function violatedPrecondition(error: unknown): z.infer<typeof violation> | undefined {
  const details = failure.safeParse(error).data?.statusDetails ?? [];
  return details.map((each) => detail.safeParse(each).data?.violations[0]).find((each) => each !== undefined);
}

/**
 * The failure for a log. What came with a success is left out, as it may hold what was asked for; so is the request,
 * which carries a token.
 */
export function withoutAnswer(error: unknown): Error {
  const holdsNoAnswer =
    error instanceof TransientError ||
    isMissingCredential(error) ||
    answerOf(error) !== undefined ||
    codeOfNetwork(error) !== undefined;
  const cause = new Error(holdsNoAnswer && error instanceof Error ? error.message : 'The answer could not be read.');
  return Object.assign(cause, { code: codeOfNetwork(error) ?? answerOf(error) });
}

/** Whom a denial is about, as far as this process can tell: the address of its account. */
export async function accountOf(service: GoogleService): Promise<string> {
  const found = isInsecure(service)
    ? undefined
    : await Promise.race([addressOf(service), delay(accountTimeoutMs, undefined, { ref: false })]);
  return found ?? 'the account of this process';
}

const accountTimeoutMs = 2000;

async function addressOf({ project }: GoogleService): Promise<string | undefined> {
  try {
    const { GoogleAuth } = await import('google-auth-library');
    return (await new GoogleAuth({ projectId: project }).getCredentials()).client_email;
  } catch {
    return undefined; // The denial itself is what is told.
  }
}

const answered = z.object({ httpStatusCode: z.int().min(300) });

function answerOf(error: unknown): number | undefined {
  return answered.safeParse(error).data?.httpStatusCode;
}

const ofNetwork = z.object({ code: z.string().regex(/^[A-Z][A-Z_]+$/) });

function codeOfNetwork(error: unknown): string | undefined {
  const own = ofNetwork.safeParse(error).data?.code;
  return own ?? (error instanceof Error && error.cause !== undefined ? codeOfNetwork(error.cause) : undefined);
}

import { z } from 'zod';
import { RunyardError } from '../contracts/errors.ts';
import { type GoogleService, statusOfFailure, TransientError } from '../lib/google.ts';
import {
  accountOf,
  commonTrouble,
  missingPermission,
  type Trouble,
  violatedPrecondition,
  withoutAnswer,
} from '../lib/google-trouble.ts';
import { cannotBeOpened } from './envelope.ts';

export type KmsAct = 'seal' | 'unseal';

export interface KmsAsked extends GoogleService {
  readonly act: KmsAct;
  readonly context: string;
  readonly key: string;
}

/** Why Cloud KMS did not seal or unseal. */
export async function inWords(error: unknown, asked: KmsAsked): Promise<RunyardError> {
  const cause = withoutAnswer(error);
  if (asked.act === 'unseal' && isUndecipherable(error)) return notOurs(asked.context, cause);
  const { message, ...rest } = await troubleOf(error, asked);
  return new RunyardError('backend_error', message, { ...rest, cause });
}

export function notOurs(context: string, cause?: unknown): RunyardError {
  return cannotBeOpened(
    context,
    'Check RUNYARD_KMS_KEY: it must name the key that sealed it. Else submit the task anew.',
    cause,
  );
}

// --- Internal helpers ---

const service = { name: 'Cloud KMS', api: 'cloudkms.googleapis.com' };

async function troubleOf(error: unknown, { act, key, project, endpoint }: KmsAsked): Promise<Trouble> {
  if (error instanceof TransientError)
    return {
      message: 'What went to Cloud KMS or came from it was changed on its way, again and again.',
      hint: 'Check the network between this process and Google.',
      retryable: true,
    };
  const status = statusOfFailure(error);
  const state = violatedPrecondition(error);
  const common = commonTrouble(error, { ...service, project });
  if (common !== undefined) return common;
  if (status === 403)
    return denied(missingPermission(error) ?? permissions[act], key, await accountOf({ project, endpoint }));
  if (status === 404) return missing(key);
  if (state !== undefined) return unusable(state.type, numberOf(state.subject), key);
  return {
    message: `Cloud KMS refused to ${act === 'seal' ? 'encrypt' : 'decrypt'} with the sealing key ${key}.`,
    hint: 'The log holds its own words; "runyard doctor" checks the installation.',
    retryable: false,
  };
}

const permissions = {
  seal: 'cloudkms.cryptoKeyVersions.useToEncrypt',
  unseal: 'cloudkms.cryptoKeyVersions.useToDecrypt',
} as const;

/** The least role that holds each. */
const roles: Readonly<Record<string, string>> = {
  [permissions.seal]: 'roles/cloudkms.cryptoKeyEncrypter',
  [permissions.unseal]: 'roles/cloudkms.cryptoKeyDecrypter',
};

function denied(permission: string, key: string, account: string): Trouble {
  return {
    message: `The sealing key ${key} may not be used: ${account} lacks the permission ${permission} on it, or the key does not exist.`,
    hint: `Run "runyard deploy" again, or grant ${roles[permission] ?? 'it'} on the key; a grant takes effect within minutes.`,
    retryable: false,
  };
}

function missing(key: string): Trouble {
  return {
    message: `The sealing key ${key} does not exist.`,
    hint: 'Run "runyard deploy", which makes it, or correct RUNYARD_KMS_KEY.',
    retryable: false,
  };
}

function unusable(state: string, number: string, key: string): Trouble {
  const [said, hint] = stateInWords(state, (verb) => `"gcloud kms keys versions ${verb} ${number} --key ${key}"`);
  return { message: `Version ${number} of the sealing key ${key} is ${said}.`, hint, retryable: false };
}

function stateInWords(state: string, gcloud: (verb: string) => string): [said: string, hint: string] {
  switch (state) {
    case 'KEY_DISABLED':
      return ['disabled', `Run ${gcloud('enable')}.`];
    case 'KEY_DESTROY_SCHEDULED':
      return ['about to be destroyed', `Run ${gcloud('restore')}, then ${gcloud('enable')}.`];
    case 'KEY_DESTROYED':
      return [
        'destroyed',
        'What it sealed is lost: submit those tasks anew, and give the key another primary version.',
      ];
    default:
      return [`not usable (${state})`, 'Give the key another primary version, then submit the task anew.'];
  }
}

function numberOf(subject: string): string {
  return /\/cryptoKeyVersions\/(\d+)$/.exec(subject)?.[1] ?? 'primary';
}

const invalidArgument = z.object({ code: z.literal(3) });

function isUndecipherable(error: unknown): boolean {
  return invalidArgument.safeParse(error).success;
}

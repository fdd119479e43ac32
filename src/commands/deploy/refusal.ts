import { z } from 'zod';
import { cleanText } from '../../contracts/clean-text.ts';
import { type ErrorCode, RunyardError } from '../../contracts/errors.ts';

/** What stands between us and what was asked; each has its own sentence. */
export type Obstacle =
  | 'project_missing'
  | 'billing_off'
  | 'api_disabled'
  | 'permission_missing'
  | 'quota_project'
  | 'credentials'
  | 'unreachable'
  | 'policy_of_organisation'
  | 'quota'
  | 'other';

/** Google said no. Message and hint are sentences for the operator. */
export class GoogleRefusal extends RunyardError {
  readonly obstacle: Obstacle;
  /** The HTTP status; undefined where no answer came. */
  readonly status: number | undefined;
  /** The permission that is missing, where Google named it. */
  readonly permission: string | undefined;
  /** Google's own words, cleaned; empty where none came. */
  readonly said: string;

  constructor(facts: RefusalFacts) {
    super(facts.code, facts.message, { hint: facts.hint, cause: facts.cause });
    this.obstacle = facts.obstacle;
    this.status = facts.status;
    this.permission = facts.permission;
    this.said = facts.said ?? '';
  }
}

interface RefusalFacts {
  readonly obstacle: Obstacle;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly status?: number;
  readonly permission?: string | undefined;
  readonly said?: string;
  readonly cause?: unknown;
}

/** What was asked of whom, for the sentence. */
export interface Asked {
  readonly project: string;
  /** The API as people know it, and the name by which it is enabled. */
  readonly api: { readonly title: string; readonly host: string };
  /** Such as `GET /v1/projects/p/secrets/s`. */
  readonly request: string;
}

const detail = z.looseObject({ reason: z.string().optional(), metadata: z.record(z.string(), z.string()).optional() });
const answerSchema = z.object({
  error: z.object({
    message: z.string().default(''),
    status: z.string().optional(),
    details: z.array(detail).optional().catch(undefined),
    errors: z.array(z.looseObject({ reason: z.string().optional() })).optional(),
  }),
});

interface Answer {
  readonly message: string;
  readonly reasons: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Reads an error answer of any Google API; one that is none (a proxy's page) is quoted by its beginning. */
export function refusalOf(status: number, body: unknown, asked: Asked): GoogleRefusal {
  const answer = readAnswer(body);
  const { obstacle, message, hint, permission } = explain(status, answer, asked);
  return new GoogleRefusal({
    obstacle,
    code: codes[obstacle],
    message,
    hint,
    status,
    permission,
    said: answer.message,
  });
}

const codes: Readonly<Record<Obstacle, ErrorCode>> = {
  project_missing: 'not_found',
  billing_off: 'forbidden',
  api_disabled: 'forbidden',
  permission_missing: 'forbidden',
  quota_project: 'unauthorized',
  credentials: 'unauthorized',
  unreachable: 'backend_error',
  policy_of_organisation: 'forbidden',
  quota: 'rate_limited',
  other: 'backend_error',
};

/** The same for credentials that are not there or that Google does not take. */
export function refusalOfCredentials(cause: unknown): GoogleRefusal {
  return new GoogleRefusal({
    obstacle: 'credentials',
    code: codes.credentials,
    message: 'No Google credentials that work were found here.',
    hint: 'Run "gcloud auth application-default login", or set GOOGLE_APPLICATION_CREDENTIALS.',
    cause,
  });
}

export function refusalOfNetwork(asked: Asked, cause: unknown): GoogleRefusal {
  return new GoogleRefusal({
    obstacle: 'unreachable',
    code: codes.unreachable,
    message: `${asked.api.host} did not answer.`,
    hint: 'Check the network, then run the same command again.',
    cause,
  });
}

/** The same for what is no answer of an API: an operation that ended badly, a build that failed. */
export function refusalOfOutcome(message: string, hint: string, said = ''): GoogleRefusal {
  return new GoogleRefusal({ obstacle: 'other', code: 'backend_error', message, hint, said: cleanText(said) });
}

type Explanation = Pick<RefusalFacts, 'obstacle' | 'message' | 'hint' | 'permission'>;

function explain(status: number, answer: Answer, asked: Asked): Explanation {
  const { project, api } = asked;
  const says = (pattern: RegExp) => pattern.test(answer.message);
  const because = (...reasons: string[]) => reasons.some((reason) => answer.reasons.includes(reason));
  if (because('UREQ_PROJECT_BILLING_NOT_FOUND', 'BILLING_DISABLED', 'accountDisabled') || says(/\bbilling\b/i)) {
    return {
      obstacle: 'billing_off',
      message: `The project ${project} has no billing account, and Google enables nothing without one.`,
      hint: `Link one: gcloud billing projects link ${project} --billing-account=ACCOUNT (gcloud billing accounts list shows yours).`,
    };
  }
  if (says(/requires a quota project/i)) {
    return {
      obstacle: 'quota_project',
      message: 'Your credentials name no project that requests are counted for.',
      hint: `Run: gcloud auth application-default set-quota-project ${project}`,
    };
  }
  if (because('SERVICE_DISABLED', 'accessNotConfigured')) {
    const service = answer.metadata.service ?? api.host;
    // A key may lie in another project.
    const where = answer.metadata.consumer?.replace('projects/', '') ?? project;
    return {
      obstacle: 'api_disabled',
      message: `The API ${service} is not enabled in the project ${where}.`,
      hint: `Enable it: gcloud services enable ${service} --project=${where} (it takes a minute or two).`,
    };
  }
  if (
    because('CONSUMER_INVALID', 'USER_PROJECT_DENIED', 'UREQ_PROJECT_NOT_FOUND') ||
    says(/project ['"]?[\w:-]+['"]? (was )?(not found|may not exist)|unknown project|project.{0,40}has been deleted/i)
  ) {
    return {
      obstacle: 'project_missing',
      message: `There is no project ${project}, or your credentials may not use it.`,
      hint: '"gcloud projects list" shows yours: set RUNYARD_PROJECT to its id.',
    };
  }
  if (says(/\bconstraints?\/|organi[sz]ation policy|permitted customer/i)) {
    return {
      obstacle: 'policy_of_organisation',
      message: `A policy of the organisation forbids this: ${answer.message}`,
      hint: 'Ask whoever keeps the policies of the organisation, or use another project.',
    };
  }
  if (status === 401) {
    return {
      obstacle: 'credentials',
      message: 'Google does not take these credentials any more.',
      hint: 'Run "gcloud auth application-default login" again.',
    };
  }
  if (because('ACCESS_TOKEN_SCOPE_INSUFFICIENT', 'insufficientPermissions') && says(/scope/i)) {
    return {
      obstacle: 'credentials',
      message: 'Your credentials were made for fewer services than this needs.',
      hint: 'Run "gcloud auth application-default login" again, without --scopes.',
    };
  }
  if (status === 403) return explainMissingPermission(answer, asked);
  if (status === 429) {
    return {
      obstacle: 'quota',
      message: `${api.title} takes no more requests of this project for now: ${answer.message}`,
      hint: 'Wait some minutes, then run the same command again.',
    };
  }
  return {
    obstacle: 'other',
    message: `${api.title} answered ${status} to ${asked.request}: ${answer.message || 'no reason given'}`,
    hint: 'Mend what it names, then run the same command again.',
  };
}

function explainMissingPermission(answer: Answer, { project, api, request }: Asked): Explanation {
  const permission =
    answer.metadata.permission ??
    /[Pp]ermission ['"]?([a-z]+\.\w+\.\w+)/.exec(answer.message)?.[1] ??
    /does not have ([a-z]+\.\w+\.\w+) access/.exec(answer.message)?.[1];
  const which = permission === undefined ? 'a permission' : `the permission ${permission}`;
  const where = answer.metadata.resource ?? request.replace(/^\w+ /, '');
  return {
    obstacle: 'permission_missing',
    permission,
    message: `Your credentials lack ${which} of ${api.title} on ${where}.`,
    hint: `Ask an owner of ${project} for a role that has it (roles/owner has all that deploying needs).`,
  };
}

function readAnswer(body: unknown): Answer {
  const parsed = answerSchema.safeParse(body);
  if (!parsed.success) {
    const text = typeof body === 'string' ? body : JSON.stringify(body ?? '');
    return { message: cleanText(text).slice(0, 200), reasons: [], metadata: {} };
  }
  const { message, details = [], errors = [] } = parsed.data.error;
  return {
    message: cleanText(message).slice(0, 500),
    reasons: [...details, ...errors].flatMap(({ reason }) => (reason === undefined ? [] : [reason])),
    metadata: Object.assign({}, ...details.map(({ metadata = {} }) => metadata)),
  };
}

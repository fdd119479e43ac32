/** The closed catalogue of everything that can go wrong. A code means the same on every face. */

interface CatalogueEntry {
  /** What happened, for a caller who gave no better words. */
  readonly message: string;
  /** What to do next. */
  readonly hint: string;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  readonly httpStatus: number;
}

export const errorCatalogue = {
  invalid_request: {
    message: 'The request is not valid.',
    hint: 'Correct the named field and call again.',
    retryable: false,
    httpStatus: 400,
  },
  unauthorized: {
    message: 'No valid credential was given.',
    hint: 'Send "Authorization: Bearer KEY" with one of the configured keys.',
    retryable: false,
    httpStatus: 401,
  },
  forbidden: {
    message: 'This is not allowed for you.',
    hint: 'Ask the operator of this Runyard to allow it.',
    retryable: false,
    httpStatus: 403,
  },
  not_found: {
    message: 'There is nothing under this name.',
    hint: 'List your tasks with list_tasks.',
    retryable: false,
    httpStatus: 404,
  },
  conflict: {
    message: 'The same idempotency_key was used with another request.',
    hint: 'Use a new idempotency_key for a new request.',
    retryable: false,
    httpStatus: 409,
  },
  too_many_tasks: {
    message: 'You have too many unfinished tasks.',
    hint: 'Wait until some have ended, or cancel them with cancel_task.',
    retryable: true,
    httpStatus: 429,
  },
  rate_limited: {
    message: 'The service asks for fewer calls.',
    hint: 'Wait and call again.',
    retryable: true,
    httpStatus: 429,
  },
  sandbox_unavailable: {
    message: 'No sandbox can be built here, so nothing was run.',
    hint: 'Run "runyard doctor": it names what is missing.',
    retryable: false,
    httpStatus: 503,
  },
  runner_lost: {
    message: 'The runner disappeared before the run had a result.',
    hint: 'Run it again; what it printed until then is in get_task_logs.',
    retryable: true,
    httpStatus: 500,
  },
  out_of_memory: {
    message: 'The run used more memory than it may.',
    hint: 'Use less memory at a time.',
    retryable: false,
    httpStatus: 500,
  },
  disk_limit: {
    message: 'The run used more disk than it may.',
    hint: 'Write less, or delete what is no longer needed.',
    retryable: false,
    httpStatus: 500,
  },
  output_limit: {
    message: 'The run printed more than it may.',
    hint: 'Print less, or write to a file under output/.',
    retryable: false,
    httpStatus: 500,
  },
  timed_out: {
    message: 'The run reached its time limit and was stopped.',
    hint: 'Raise timeout_seconds, or do less in one run.',
    retryable: false,
    httpStatus: 504,
  },
  cancelled: {
    message: 'The task was cancelled.',
    hint: 'Start it again if it is still wanted.',
    retryable: false,
    httpStatus: 409,
  },
  budget_exceeded: {
    message: 'The run reached its budget.',
    hint: 'Raise max_budget_usd.',
    retryable: false,
    httpStatus: 402,
  },
  max_turns: {
    message: 'Claude reached its limit of turns.',
    hint: 'Raise max_turns.',
    retryable: false,
    httpStatus: 500,
  },
  model_error: {
    message: 'The model endpoint did not answer as it should.',
    hint: 'Check the model credential and the endpoint, then run it again.',
    retryable: true,
    httpStatus: 502,
  },
  output_invalid: {
    message: 'The answer does not fit output_schema.',
    hint: 'Relax output_schema, or say in the prompt what is wanted.',
    retryable: false,
    httpStatus: 500,
  },
  command_failed: {
    message: 'A command ended with a non-zero exit code.',
    hint: 'Read stderr for the reason.',
    retryable: false,
    httpStatus: 500,
  },
  git_error: {
    message: 'Git could not do what was asked.',
    hint: 'Check the repository, the ref and the credential.',
    retryable: false,
    httpStatus: 502,
  },
  egress_denied: {
    message: 'This host may not be reached.',
    hint: 'Ask the operator to allow it.',
    retryable: false,
    httpStatus: 403,
  },
  secret_unavailable: {
    message: 'A credential that this needs is not there.',
    hint: 'Ask the operator to configure it.',
    retryable: false,
    httpStatus: 503,
  },
  github_error: {
    message: 'GitHub did not do what was asked.',
    hint: 'Check the repository and the token.',
    retryable: false,
    httpStatus: 502,
  },
  backend_error: {
    message: 'The backend could not do its part.',
    hint: 'Run "runyard doctor", then try again.',
    retryable: true,
    httpStatus: 502,
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

export const errorCodes = Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]];

export interface RunyardErrorOptions {
  /** What to do next, where it is better than the catalogue's own words. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Where this failure differs from the others of its code: what an operator must mend first does not pass. */
  readonly retryable?: boolean;
  /** Seconds after which the same call may succeed. */
  readonly retryAfterSeconds?: number;
}

/** An error of the catalogue. Its message and hint are our own words and may reach a model. */
export class RunyardError extends Error {
  override readonly name = 'RunyardError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryable: boolean;
  readonly httpStatus: number;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message?: string, options: RunyardErrorOptions = {}) {
    const entry = errorCatalogue[code];
    super(message ?? entry.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? entry.hint;
    this.retryable = options.retryable ?? entry.retryable;
    this.httpStatus = entry.httpStatus;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** A credential that was given for a time is no longer taken: whoever gave it must give another. */
export class AccessExpired extends RunyardError {
  constructor(message: string, options: RunyardErrorOptions = {}) {
    super('backend_error', message, options);
  }
}

/** The same error where it is one of the catalogue, else a backend_error that carries it as its cause. */
export function asRunyardError(error: unknown): RunyardError {
  if (error instanceof RunyardError) return error;
  return new RunyardError('backend_error', undefined, { cause: error });
}

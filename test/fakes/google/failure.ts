/** A refusal in Google's words: a status of gRPC, a sentence, and details that programs read. */
export class GoogleFailure extends Error {
  override readonly name = 'GoogleFailure';
  readonly status: GoogleStatus;
  readonly details: readonly Detail[];

  constructor(status: GoogleStatus, message: string, details: readonly Detail[] = []) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

/** Carries its own type, as an Any in JSON does. */
export type Detail = { readonly '@type': string; readonly [field: string]: unknown };

const httpStatuses = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ABORTED: 409,
  ALREADY_EXISTS: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
} as const;

export type GoogleStatus = keyof typeof httpStatuses;

/** What a status looks like over HTTP/JSON. */
export function answerOfFailure({ status, message, details }: GoogleFailure): { status: number; body: string } {
  const code = httpStatuses[status];
  const error = { code, message, status, ...(details.length === 0 ? {} : { details }) };
  return { status: code, body: JSON.stringify({ error }, null, 2) };
}

/** The failure that goes with an HTTP status, for answers that are made to fail. */
export function failureOfStatus(httpStatus: number): GoogleFailure {
  const found = Object.entries(httpStatuses).find(([, code]) => code === httpStatus);
  const status = (found?.[0] ?? 'INTERNAL') as GoogleStatus;
  return new GoogleFailure(status, `The request was made to fail as ${status}.`);
}

export function invalidArgument(message: string): GoogleFailure {
  return new GoogleFailure('INVALID_ARGUMENT', message);
}

export function notFound(message: string): GoogleFailure {
  return new GoogleFailure('NOT_FOUND', message);
}

export function alreadyExists(message: string): GoogleFailure {
  return new GoogleFailure('ALREADY_EXISTS', message);
}

export function failedPrecondition(message: string, type?: string, subject = ''): GoogleFailure {
  const violation = { type, subject, description: message };
  const details =
    type === undefined
      ? []
      : [{ '@type': 'type.googleapis.com/google.rpc.PreconditionFailure', violations: [violation] }];
  return new GoogleFailure('FAILED_PRECONDITION', message, details);
}

/** Google says the same of what is not there, so that nobody learns which it is. */
export function permissionDenied(permission: string, resource: string, domain: string): GoogleFailure {
  const message = `Permission '${permission}' denied on resource '${resource}' (or it may not exist).`;
  return new GoogleFailure('PERMISSION_DENIED', message, [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'IAM_PERMISSION_DENIED',
      domain,
      metadata: { permission, resource },
    },
  ]);
}

/** An API that nobody has switched on in the project. */
export function serviceDisabled(service: string, project: string): GoogleFailure {
  const message = `${service} API has not been used in project ${project} before or it is disabled.`;
  return new GoogleFailure('PERMISSION_DENIED', message, [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'SERVICE_DISABLED',
      domain: 'googleapis.com',
      metadata: { service, consumer: `projects/${project}` },
    },
  ]);
}

/** A refusal in the words of Cloud Storage's JSON API, which are other ones than those of Google's newer services. */
export class StorageFailure extends Error {
  override readonly name = 'StorageFailure';
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }

  get body(): string {
    const { status: code, message, reason } = this;
    return JSON.stringify({ error: { code, message, errors: [{ message, domain: 'global', reason }] } });
  }
}

export function badRequest(message: string): StorageFailure {
  return new StorageFailure(400, 'invalid', message);
}

export function noSuchBucket(): StorageFailure {
  return new StorageFailure(404, 'notFound', 'The specified bucket does not exist.');
}

export function noSuchObject(bucket: string, name: string): StorageFailure {
  return new StorageFailure(404, 'notFound', `No such object: ${bucket}/${name}`);
}

export function noSuchUpload(): StorageFailure {
  return new StorageFailure(404, 'notFound', 'The upload session is unknown.');
}

export function conditionNotMet(): StorageFailure {
  return new StorageFailure(412, 'conditionNotMet', 'At least one of the pre-conditions you specified did not hold.');
}

export function damagedUpload(hash: string, provided: string, calculated: string): StorageFailure {
  return badRequest(`Provided ${hash} hash "${provided}" doesn't match calculated ${hash} hash "${calculated}".`);
}

export function invalidToken(): StorageFailure {
  return new StorageFailure(401, 'authError', 'Invalid Credentials');
}

/** Who says nothing about himself is asked for it, who may not is refused. */
export function denied(account: string | undefined, permission: string): StorageFailure {
  const kind = permission.startsWith('storage.buckets') || permission.endsWith('.list') ? 'bucket' : 'object';
  const caller = account ?? 'Anonymous caller';
  const message =
    `${caller} does not have ${permission} access to the Google Cloud Storage ${kind}. ` +
    `Permission '${permission}' denied on resource (or it may not exist).`;
  return account === undefined
    ? new StorageFailure(401, 'required', message)
    : new StorageFailure(403, 'forbidden', message);
}

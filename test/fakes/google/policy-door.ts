import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, request as sendRequest } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { answerOfFailure, GoogleFailure } from './failure.ts';
import type { Policy } from './policy.ts';
import {
  type ObjectName,
  type StorageNeeds,
  storageAnswer,
  storageNeed,
  storageNeeds,
  storageRefusal,
  unknownAddress,
} from './policy-storage.ts';
import type { Need } from './rpc.ts';
import { invalidToken } from './storage-failure.ts';
import { bodyOf } from './storage-wire.ts';

export type Service = 'run' | 'storage' | 'kms' | 'sts' | 'secretManager';
export const services: readonly Service[] = ['run', 'storage', 'kms', 'sts', 'secretManager'];

/** A request as it came to a door. */
export interface Visit {
  readonly service: Service;
  readonly method: string;
  readonly url: string;
  /** That it came with, or that of the account whose door it is. */
  readonly token: string | undefined;
  readonly status: number;
}

export interface Door {
  /** `http://127.0.0.1:PORT`, or `https://localhost:PORT`. */
  readonly url: string;
  close(): Promise<void>;
}

export interface DoorOptions {
  readonly service: Service;
  /** Of the service behind it. */
  readonly behind: string;
  readonly policy: Policy;
  /** For requests that come without a token, as those to `http://…` do. */
  readonly ownToken?: string | undefined;
  readonly tls?: { readonly key: string; readonly cert: string } | undefined;
  readonly onVisit: (visit: Visit) => void;
}

/**
 * A proxy in front of one service. It says who is asking; the fakes then ask the policy themselves, and for the storage,
 * which may be one that knows no permissions, the door asks.
 */
export async function startDoor(options: DoorOptions): Promise<Door> {
  const { tls, onVisit, service } = options;
  const onRequest: RequestListener = async (incoming, response) => {
    const { bytes, isWhole } = await bodyOf(incoming);
    if (!isWhole) return;
    const visitor = visitorOf(incoming, bytes, options);
    try {
      const answer = await answerTo(visitor, options);
      const { method, url, token } = visitor;
      onVisit({ service, method, url, token, status: answer.status });
      response.writeHead(answer.status, answer.headers).end(answer.body);
    } catch {
      // As a lost connection to Google looks.
      incoming.socket.resetAndDestroy();
    }
  };
  const server = tls === undefined ? createServer(onRequest) : createSecureServer(tls, onRequest);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the door has no port');
  return {
    url: tls === undefined ? `http://127.0.0.1:${address.port}` : `https://localhost:${address.port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

// --- Internal helpers ---

interface Visitor {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly token: string | undefined;
}

interface DoorAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

function visitorOf(incoming: IncomingMessage, bytes: Buffer, { service, ownToken }: DoorOptions): Visitor {
  const { method = '', url = '', headers } = incoming;
  if (service === 'sts') return { method, url, headers, ...withSubject(bytes, ownToken) };
  const token = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? ownToken;
  return { method, url, headers, body: bytes, token };
}

/** Who asks the token service is the token that is to be exchanged; where there are no credentials it says `none`. */
function withSubject(bytes: Buffer, ownToken: string | undefined): Pick<Visitor, 'body' | 'token'> {
  const form = new URLSearchParams(bytes.toString());
  if (form.get('subject_token') === 'none' && ownToken !== undefined) form.set('subject_token', ownToken);
  return { body: Buffer.from(form.toString()), token: form.get('subject_token') ?? undefined };
}

async function answerTo(visitor: Visitor, options: DoorOptions): Promise<DoorAnswer> {
  const { service, policy } = options;
  if (service === 'sts') return handOn(visitor, options);
  if (visitor.token === undefined || policy.accountOf(visitor.token) === undefined)
    return service === 'storage' ? storageAnswer(invalidToken(), visitor.url) : unauthenticated();
  return service === 'storage' ? answerOfStorage(visitor, options) : handOn(visitor, options);
}

async function answerOfStorage(visitor: Visitor, options: DoorOptions): Promise<DoorAnswer> {
  const asked = storageNeeds(visitor.method, visitor.url);
  if (asked === undefined) return storageAnswer(unknownAddress, visitor.url);
  const refuse = (need: Need) => storageRefusal(options.policy.accountOf(visitor.token ?? ''), need, visitor.url);
  const missing = await missingNeed(asked, visitor, options);
  if (missing !== undefined) return refuse(missing);
  const answer = await handOn(visitor, options);
  if (answer.status !== 404 || asked.asksFor === undefined) return answer;
  const listing = storageNeed('objects.list', asked.asksFor.bucket);
  return isAllowed(listing, visitor, options) ? answer : refuse(listing);
}

async function missingNeed(
  { needs, mayOverwrite }: StorageNeeds,
  visitor: Visitor,
  options: DoorOptions,
): Promise<Need | undefined> {
  const missing = needs.find((need) => !isAllowed(need, visitor, options));
  if (missing !== undefined || mayOverwrite === undefined) return missing;
  const deleting = storageNeed('objects.delete', mayOverwrite.bucket, mayOverwrite.name);
  if (isAllowed(deleting, visitor, options) || !(await isThere(mayOverwrite, options))) return undefined;
  return deleting;
}

function isAllowed(need: Need, { token }: Visitor, { policy }: DoorOptions): boolean {
  return policy.authorize({ token, ...need });
}

async function isThere({ bucket, name }: ObjectName, { behind }: DoorOptions): Promise<boolean> {
  return (await fetch(`${behind}/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}`)).ok;
}

/** With the caller's own Host, by which servers make the addresses that they hand out. */
async function handOn(
  { method, url, headers, body, token }: Visitor,
  { behind, tls }: DoorOptions,
): Promise<DoorAnswer> {
  const { 'transfer-encoding': _, ...kept } = headers;
  const onward = sendRequest(new URL(url, behind), {
    method,
    headers: {
      ...kept,
      'content-length': String(body.length),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
  });
  onward.end(body);
  const [answer] = (await once(onward, 'response')) as [IncomingMessage];
  const { bytes, isWhole } = await bodyOf(answer);
  if (!isWhole) throw new Error('the service broke off');
  const { 'transfer-encoding': __, location, ...said } = answer.headers;
  const moved = tls === undefined ? location : location?.replace(/^http:/, 'https:');
  return {
    status: answer.statusCode!,
    headers: { ...said, ...(moved === undefined ? {} : { location: moved }), 'content-length': String(bytes.length) },
    body: bytes,
  };
}

function unauthenticated(): DoorAnswer {
  const message = 'Request had invalid authentication credentials. Expected OAuth 2 access token.';
  const { status, body } = answerOfFailure(new GoogleFailure('UNAUTHENTICATED', message));
  return { status, headers: { 'content-type': 'application/json; charset=UTF-8' }, body: Buffer.from(body) };
}

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { bodyOf } from './storage-wire.ts';

/** What may become of a request on its way. */
export type Mishap =
  /** Answered 429, 500 or 503, and never handed on. */
  | 'refused'
  /** Carried out, and answered 503. */
  | 'deniedAfterwards'
  /** The connection is reset, and the request is never handed on. */
  | 'lostRequest'
  /** Half of the body is handed on, then both connections are reset. */
  | 'halfRequest'
  /** Carried out, and the connection reset instead of an answer. */
  | 'lostAnswer'
  /** Carried out, and the connection reset in the middle of the answer. */
  | 'halfAnswer'
  | 'delayed';

/** How likely each is, from 0 to 1; what is left passes unharmed. */
export type Odds = Partial<Record<Mishap, number>>;

export interface Trouble {
  /** `http://127.0.0.1:PORT`, to be used in place of the server's own. */
  readonly url: string;
  readonly counts: Readonly<Record<Mishap | 'passed', number>>;
  /** From now on. */
  become(odds: Odds): void;
  close(): Promise<void>;
}

export interface TroubleOptions {
  /** Of the server behind it. */
  readonly url: string;
  readonly odds: Odds;
  /** The same seed gives the same mishaps, in the order in which requests arrive. */
  readonly seed: number;
  /** What becomes of the first requests, before chance begins. */
  readonly fates?: readonly (Mishap | 'passed')[];
  readonly delayMs?: number;
}

/** An HTTP proxy on loopback through which requests come to harm at random. */
export async function startTrouble(options: TroubleOptions): Promise<Trouble> {
  const { url: target, odds, seed, fates = [], delayMs = 50 } = options;
  const fated = fates.values();
  const random = randomsFrom(seed);
  const counts: Record<Mishap | 'passed', number> = {
    ...{ passed: 0, refused: 0, deniedAfterwards: 0, lostRequest: 0, halfRequest: 0 },
    ...{ lostAnswer: 0, halfAnswer: 0, delayed: 0 },
  };
  let current = odds;

  const server = createServer(async (request, response) => {
    // Drawn first, so that it depends on the order of arrival alone.
    const chance = draw(current, random());
    const mishap = fated.next().value ?? chance;
    const status = [429, 500, 503][Math.floor(random() * 3)]!;
    const { bytes, isWhole } = await bodyOf(request);
    if (!isWhole) return;
    counts[mishap]++;
    if (mishap === 'refused') return refuse(response, status);
    if (mishap === 'lostRequest') return void request.socket.resetAndDestroy();
    if (mishap === 'delayed') await delay(delayMs);
    try {
      if (mishap === 'halfRequest') await handOnHalf(target, request, bytes);
      const answer = mishap === 'halfRequest' ? undefined : await handOn(target, request, bytes);
      if (answer === undefined || mishap === 'lostAnswer') return void request.socket.resetAndDestroy();
      if (mishap === 'deniedAfterwards') return refuse(response, 503);
      response.writeHead(answer.status, answer.headers);
      if (mishap !== 'halfAnswer') return void response.end(answer.bytes);
      response.write(answer.bytes.subarray(0, answer.bytes.length / 2), () => request.socket.resetAndDestroy());
    } catch {
      request.socket.resetAndDestroy();
    }
  });

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    counts,
    become(next) {
      current = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomsFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function draw(odds: Odds, at: number): Mishap | 'passed' {
  let sum = 0;
  for (const [mishap, odd] of Object.entries(odds) as [Mishap, number][]) {
    sum += odd;
    if (at < sum) return mishap;
  }
  return 'passed';
}

function refuse(response: ServerResponse, code: number): void {
  const message = 'We encountered an internal error. Please try again.';
  const body = JSON.stringify({ error: { code, message, errors: [{ message, reason: 'backendError' }] } });
  response.writeHead(code, { 'content-type': 'application/json; charset=UTF-8' }).end(body);
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: Buffer;
}

/** With the caller's own Host, by which servers make the addresses that they hand out. */
async function handOn(target: string, request: IncomingMessage, body: Buffer): Promise<Answer> {
  const onward = onwardTo(target, request, body);
  onward.end(body);
  const [answer] = (await once(onward, 'response')) as [IncomingMessage];
  const { bytes, isWhole } = await bodyOf(answer);
  if (!isWhole) throw new Error('the server broke off');
  const { 'transfer-encoding': _, ...headers } = answer.headers;
  return { status: answer.statusCode!, headers: { ...headers, 'content-length': String(bytes.length) }, bytes };
}

async function handOnHalf(target: string, request: IncomingMessage, body: Buffer): Promise<void> {
  const onward = onwardTo(target, request, body);
  const broken = once(onward, 'close');
  onward.on('error', () => undefined);
  await new Promise<void>((resolve) => onward.write(body.subarray(0, body.length / 2), () => resolve()));
  // The server has to have them before the connection is reset, which throws away what was not read.
  await delay(20);
  onward.destroy();
  await broken;
}

function onwardTo(target: string, request: IncomingMessage, body: Buffer) {
  const { 'transfer-encoding': _, ...headers } = request.headers;
  return sendRequest(new URL(request.url!, target), {
    method: request.method!,
    headers: { ...headers, 'content-length': String(body.length) },
  });
}

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Answer, fail, type ModelBody, modelBody } from './model-answers.ts';
import { sendAnswer, sendError } from './model-wire.ts';

export * from './model-answers.ts';

/** One `POST /v1/messages` as a script sees it. */
export interface ModelCall {
  /** 0 for the first such request this server got. */
  readonly index: number;
  /** How many assistant messages the conversation has already: the turn that is asked for. */
  readonly turn: number;
  readonly body: ModelBody;
  readonly headers: IncomingHttpHeaders;
}

/**
 * What the model says. A list is one conversation: answer n goes to whoever asks with n assistant messages so far, so
 * that one list serves any number of runs and retries. A function decides by itself; `inOrder` makes one of a list.
 */
export type Script = readonly Answer[] | ((call: ModelCall) => Answer | Promise<Answer>);

/** A request as it arrived, whatever was asked: the raw target, every header, the body's text. */
export interface RecordedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

export interface ModelServer {
  /** `http://127.0.0.1:PORT`, without a slash at its end. */
  readonly url: string;
  /** Every request so far, in order of arrival. */
  readonly requests: readonly RecordedRequest[];
  /** Resolves when a connection was closed by the other side before its answer was whole. */
  readonly abandoned: Promise<void>;
  close(): Promise<void>;
}

export interface ModelServerOptions {
  /** The only credential that is taken, as `x-api-key` or bearer; any where not given. */
  readonly key?: string;
  /** A prefix of every path, such as `/anthropic`; none where not given. */
  readonly prefix?: string;
}

/** A scripted Messages API on loopback: `HEAD /`, `POST /v1/messages` (SSE or JSON), `POST /v1/messages/count_tokens`. */
export async function startModelServer(script: Script, options: ModelServerOptions = {}): Promise<ModelServer> {
  const requests: RecordedRequest[] = [];
  const abandoned = Promise.withResolvers<void>();
  const calls = { count: 0 };
  const answerOf = typeof script === 'function' ? script : byTurn(script);

  const server = createServer(async (request, response) => {
    response.on('close', () => {
      if (!response.writableFinished) abandoned.resolve();
    });
    response.on('error', () => abandoned.resolve());
    const body = await textOf(request);
    if (body === undefined) return abandoned.resolve();
    requests.push(record(request, body));
    try {
      await answer(request, response, body);
    } catch (error) {
      sendError(response, fail(500, { message: `the script failed: ${error}` }));
    }
  });

  async function answer(request: IncomingMessage, response: ServerResponse, text: string): Promise<void> {
    const path = pathOf(request, options.prefix ?? '');
    if (request.method === 'HEAD' && path === '/') return void response.writeHead(200).end();
    if (options.key !== undefined && keyOf(request) !== options.key) {
      return sendError(response, fail(401, { message: 'invalid x-api-key' }));
    }
    if (request.method !== 'POST') return sendError(response, fail(404));
    if (path === '/v1/messages/count_tokens') {
      return void response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ input_tokens: Math.ceil(text.length / 4) }));
    }
    if (path !== '/v1/messages') return sendError(response, fail(404));
    const body = modelBody.parse(JSON.parse(text));
    const turn = body.messages.filter(({ role }) => role === 'assistant').length;
    const call = { index: calls.count++, turn, body, headers: request.headers };
    await sendAnswer(response, await answerOf(call), call, text.length);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the scripted model has no port');
  return {
    url: `http://127.0.0.1:${address.port}${options.prefix ?? ''}`,
    requests,
    abandoned: abandoned.promise,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answer n goes to the n-th request, whoever asks: for scripts of failures and retries. */
export function inOrder(answers: readonly Answer[]): Script {
  return ({ index }) => answers[index] ?? fail(400, { message: `the script has no answer ${index}` });
}

// --- Internal helpers ---

function byTurn(answers: readonly Answer[]): (call: ModelCall) => Answer {
  return ({ turn }) => answers[turn] ?? fail(400, { message: `the script has no answer for turn ${turn}` });
}

async function textOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk);
  } catch {
    return undefined; // The other side went away: there is nobody to answer.
  }
  return Buffer.concat(chunks).toString('utf8');
}

function record({ method = '', url = '', headers, rawHeaders }: IncomingMessage, body: string): RecordedRequest {
  return { method, url, headers, rawHeaders, body };
}

function pathOf(request: IncomingMessage, prefix: string): string | undefined {
  const path = request.url?.split('?')[0] ?? '';
  return path.startsWith(prefix) ? path.slice(prefix.length) || '/' : undefined;
}

function keyOf({ headers }: IncomingMessage): string | undefined {
  return headers['x-api-key']?.toString() ?? headers.authorization?.replace(/^Bearer /, '');
}

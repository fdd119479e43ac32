import { z } from 'zod';

/** The part of a request's body that scripts look at; the rest is kept as it came. */
export const modelBody = z.looseObject({
  model: z.string(),
  stream: z.boolean().optional(),
  system: z.unknown().optional(),
  tools: z.array(z.looseObject({ name: z.string().optional(), type: z.string().optional() })).optional(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.unknown() })),
});
export type ModelBody = z.infer<typeof modelBody>;

/** As the API counts. What is not given is estimated from the lengths (input, output) or 0 (cache). */
export interface AnswerUsage {
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly cache_read_input_tokens?: number;
  readonly cache_creation?: {
    readonly ephemeral_5m_input_tokens?: number;
    readonly ephemeral_1h_input_tokens?: number;
  };
}

export interface AnswerOptions {
  readonly usage?: AnswerUsage;
  /** The model that answers, where it is another one than was asked for. */
  readonly model?: string;
  /** Wait before the first byte. */
  readonly firstByteMs?: number;
  /** Wait between two events of the stream. */
  readonly betweenEventsMs?: number;
  /** Destroy the connection after this many events. */
  readonly breakOffAfterEvents?: number;
}

export type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool_use'; readonly name: string; readonly input: unknown };

export interface MessageAnswer extends AnswerOptions {
  readonly kind: 'message';
  readonly blocks: readonly Block[];
  readonly stopReason: string;
}

export interface ErrorAnswer {
  readonly kind: 'error';
  readonly status: number;
  readonly type: string;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface RawAnswer {
  readonly kind: 'raw';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

export type Answer = MessageAnswer | ErrorAnswer | RawAnswer;

/** A text, and the end of the turn. */
export function say(text: string, options: AnswerOptions = {}): MessageAnswer {
  return { kind: 'message', blocks: [{ type: 'text', text }], stopReason: 'end_turn', ...options };
}

/** A call of a tool, with a text before it where one is given. */
export function useTool(name: string, input: unknown, options: AnswerOptions & { text?: string } = {}): MessageAnswer {
  const { text, ...rest } = options;
  const call: Block = { type: 'tool_use', name, input };
  const blocks: Block[] = text === undefined ? [call] : [{ type: 'text', text }, call];
  return { kind: 'message', blocks, stopReason: 'tool_use', ...rest };
}

/** The tool that runs shell commands: `Bash`. */
export function useBash(command: string, options: AnswerOptions & { text?: string } = {}): MessageAnswer {
  return useTool('Bash', { command, description: 'A scripted command' }, options);
}

/** An error as the API shapes it: 401, 429 (say `retryAfterSeconds`), 500, 529 … */
export function fail(
  status: number,
  options: { message?: string; retryAfterSeconds?: number; headers?: Record<string, string> } = {},
): ErrorAnswer {
  const headers: Record<string, string> = { ...options.headers };
  if (options.retryAfterSeconds !== undefined) headers['retry-after'] = String(options.retryAfterSeconds);
  const type = errorTypes.get(status) ?? 'api_error';
  return { kind: 'error', status, type, message: options.message ?? type, headers };
}

/** Anything else, byte for byte: a redirect, a body that is no JSON. */
export function raw(status: number, headers: Record<string, string>, body: string | Buffer = ''): RawAnswer {
  return { kind: 'raw', status, headers, body };
}

/** The texts of all tool results in the last message of a request: what the tool said that the script asked for. */
export function toolResults(body: ModelBody): string[] {
  const parsed = lastMessage.safeParse(body.messages.at(-1));
  if (!parsed.success) return [];
  return parsed.data.content.flatMap(({ type, content }) => {
    if (type !== 'tool_result' || content === undefined) return [];
    return [typeof content === 'string' ? content : content.map(({ text = '' }) => text).join('')];
  });
}

// --- Internal helpers ---

const errorTypes = new Map([
  [400, 'invalid_request_error'],
  [401, 'authentication_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [500, 'api_error'],
  [529, 'overloaded_error'],
]);

const lastMessage = z.object({
  content: z.array(
    z.looseObject({
      type: z.string(),
      content: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]).optional(),
    }),
  ),
});

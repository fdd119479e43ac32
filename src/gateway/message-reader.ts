import { z } from 'zod';
import type { CallTokens } from './prices.ts';

/** What one answer of the model has told of itself so far. */
export interface MessageReader {
  /** One event of a stream, as its data came. */
  event(data: string): void;
  /** A whole answer that came without a stream. */
  message(text: string): void;
  /** The model that answered; undefined before it said so. */
  readonly model: string | undefined;
  /** The calls that this answer is billed as: itself, and the summaries made on the way. */
  readonly calls: readonly CallTokens[];
  /** Its answers, block by block: texts, and the argument of the tool that takes a structured one, as JSON. */
  readonly answers: readonly string[];
  /** Whether its last event has come. */
  readonly whole: boolean;
  /** Whether the endpoint has told its final usage. */
  readonly counted: boolean;
  /** Whether the answer ended because it was as long as it might be. */
  readonly cutShort: boolean;
}

/** What was asked for: all that is known of an answer that never told its usage. */
export interface Asked {
  readonly promptChars: number;
  /** Of an answer that comes in one piece, nobody sees how much there is of it before its end. */
  readonly streamed: boolean;
  readonly maxTokens: number;
}

/** A message whose usage never came to its end counts the output that was seen: about four characters a token. */
const charsPerToken = 4;

export function createMessageReader(asked?: Asked): MessageReader {
  let model: string | undefined;
  let usage: Usage = {};
  const answers: string[] = [];
  /** The structured answer that is being streamed. */
  let structured: string | undefined;
  let outputChars = 0;
  let whole = false;
  let finalUsage = false;
  let stopReason: string | null | undefined;

  const begin = (message: Message) => {
    model = message.model;
    usage = { ...usage, ...told(message.usage) };
  };

  return {
    event(data) {
      const parsed = streamEvent.safeParse(jsonOf(data));
      if (!parsed.success) return;
      const event = parsed.data;
      switch (event.type) {
        case 'message_start':
          return begin(event.message);
        case 'content_block_start':
          if (event.content_block.type === 'text') answers.push(event.content_block.text ?? '');
          else if (event.content_block.name === structuredAnswerTool) structured = '';
          return;
        case 'content_block_delta':
          outputChars += data.length - deltaFrameChars;
          if (event.delta.type === 'text_delta') answers.push(`${answers.pop() ?? ''}${event.delta.text ?? ''}`);
          else if (structured !== undefined) structured += event.delta.partial_json ?? '';
          return;
        case 'content_block_stop':
          if (structured !== undefined) answers.push(structured);
          structured = undefined;
          return;
        case 'message_delta':
          usage = { ...usage, ...told(event.usage) };
          finalUsage = true;
          stopReason = event.delta?.stop_reason;
          return;
        case 'message_stop':
          whole = true;
      }
    },
    message(text) {
      const parsed = message.safeParse(jsonOf(text));
      if (!parsed.success) return;
      begin(parsed.data);
      for (const block of parsed.data.content ?? []) {
        if (block.type === 'text') answers.push(block.text ?? '');
        else if (block.name === structuredAnswerTool) answers.push(JSON.stringify(block.input));
      }
      finalUsage = true;
      stopReason = parsed.data.stop_reason;
      whole = true;
    },
    get model() {
      return model;
    },
    get calls() {
      const estimate = finalUsage ? 0 : Math.ceil(Math.max(0, outputChars) / charsPerToken);
      if (asked !== undefined && Object.keys(usage).length === 0) return [untold(asked, estimate)];
      const own = tokensOf(usage);
      const summaries = (usage.iterations ?? []).filter(({ type }) => type === 'compaction').map(tokensOf);
      return [{ ...own, output: Math.max(own.output, estimate) }, ...summaries];
    },
    get answers() {
      return answers;
    },
    get whole() {
      return whole;
    },
    get counted() {
      return finalUsage;
    },
    get cutShort() {
      return stopReason === 'max_tokens';
    },
  };
}

// --- Internal helpers ---

/** How Claude Code has the model give an answer that must fit a schema. */
const structuredAnswerTool = 'StructuredOutput';

/** The JSON around the text of a delta. */
const deltaFrameChars = 80;

const tokens = z.int().min(0).nullish();

const counts = {
  input_tokens: tokens,
  output_tokens: tokens,
  cache_creation_input_tokens: tokens,
  cache_read_input_tokens: tokens,
  cache_creation: z.object({ ephemeral_5m_input_tokens: tokens, ephemeral_1h_input_tokens: tokens }).nullish(),
};

const usageShape = z.object({
  ...counts,
  /** A summary of the context is billed, but stands here only, not in the sums above. */
  iterations: z.array(z.object({ type: z.string(), ...counts })).nullish(),
});
type Usage = z.infer<typeof usageShape>;

const block = z.object({
  type: z.string(),
  text: z.string().optional(),
  name: z.string().optional(),
  input: z.unknown().optional(),
});

const message = z.object({
  model: z.string(),
  usage: usageShape,
  content: z.array(block).optional(),
  stop_reason: z.string().nullish(),
});
type Message = z.infer<typeof message>;

const streamEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('message_start'), message }),
  z.object({
    type: z.literal('content_block_start'),
    content_block: block,
  }),
  z.object({
    type: z.literal('content_block_delta'),
    delta: z.object({ type: z.string(), text: z.string().optional(), partial_json: z.string().optional() }),
  }),
  z.object({ type: z.literal('content_block_stop') }),
  z.object({
    type: z.literal('message_delta'),
    usage: usageShape,
    delta: z.object({ stop_reason: z.string().nullish() }).optional(),
  }),
  z.object({ type: z.literal('message_stop') }),
]);

/** Only what a usage says: later ones are cumulative, and null means unchanged. */
function told(usage: Usage): Usage {
  return Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== null && value !== undefined));
}

function untold({ promptChars, streamed, maxTokens }: Asked, seen: number): CallTokens {
  const input = Math.ceil(promptChars / charsPerToken);
  return { input, output: streamed ? seen : maxTokens, cacheWrite5m: 0, cacheWrite1h: 0, cacheRead: 0 };
}

function tokensOf(usage: Omit<Usage, 'iterations'>): CallTokens {
  const cacheWrite = usage.cache_creation_input_tokens ?? 0;
  const cacheWrite1h = Math.min(cacheWrite, usage.cache_creation?.ephemeral_1h_input_tokens ?? 0);
  return {
    input: usage.input_tokens ?? 0,
    output: usage.output_tokens ?? 0,
    cacheWrite5m: cacheWrite - cacheWrite1h,
    cacheWrite1h,
    cacheRead: usage.cache_read_input_tokens ?? 0,
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The far side's slip: the client reads the same bytes and complains itself.
  }
}

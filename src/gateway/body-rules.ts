import { z } from 'zod';
import { holdsMoreValues } from '../lib/json-weight.ts';

/** What became of a request's body. */
export type CheckedBody =
  | {
      readonly verdict: 'passed';
      readonly model: string;
      readonly streamed: boolean;
      readonly maxTokens: number;
      /** The body as it goes out. */
      readonly text: string;
      /** Top-level fields that were left out. */
      readonly leftOut: readonly string[];
    }
  | { readonly verdict: 'broken'; readonly why: string }
  | { readonly verdict: 'refused'; readonly why: string };

/**
 * Parses a body and spells it anew: only known fields, no server of the model's own, no address it would fetch, no
 * file it keeps. `models` are the only ones that may be asked for; any where undefined.
 */
export function checkBody(text: string, models: readonly string[] | undefined): CheckedBody {
  if (holdsMoreValues(text, valuesMax)) return { verdict: 'broken', why: 'the body holds too many values' };
  try {
    const json: unknown = JSON.parse(text);
    const parsed = request.safeParse(json);
    if (!parsed.success) return { verdict: 'broken', why: 'the body is no request to the Messages API' };
    const refusal = refusalOf(parsed.data, models);
    // What goes out is the JSON itself: a changed order of its parts would miss the endpoint's cache.
    return refusal === undefined ? passed(parsed.data, Object(json)) : { verdict: 'refused', why: refusal };
  } catch {
    return { verdict: 'broken', why: 'the body is no JSON, or is nested too deeply' };
  }
}

/** The same body with a shorter longest answer, and no more thinking than fits into it. */
export function withMaxTokens(text: string, maxTokens: number): string {
  const body = thinkingBody.parse(JSON.parse(text));
  const budget = body.thinking?.budget_tokens;
  const shorter = { ...body, max_tokens: maxTokens };
  if (budget === undefined || budget < maxTokens) return JSON.stringify(shorter);
  return JSON.stringify({ ...shorter, thinking: { ...body.thinking, budget_tokens: maxTokens - 1 } });
}

// --- Internal helpers ---

const thinkingBody = z.looseObject({
  thinking: z.looseObject({ budget_tokens: z.number().optional() }).nullish(),
});

/** The whole run waits while a body is looked at. The longest conversation holds a small part of this. */
const valuesMax = 300_000;

/** Told as one: a fault for each of them would take more memory than the body. */
const objects = z.custom<readonly object[]>(
  (list) => Array.isArray(list) && list.every((item) => typeof item === 'object' && item !== null),
);

const request = z.looseObject({
  model: z.string(),
  stream: z.boolean().nullish().catch(undefined),
  max_tokens: z.int().min(0).nullish().catch(undefined),
  messages: objects,
  tools: objects.nullish(),
});
type Request = z.infer<typeof request>;

const passedFields = new Set([
  'model',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'max_tokens',
  'metadata',
  'stream',
  'stop_sequences',
  'temperature',
  'top_k',
  'top_p',
  'thinking',
  'cache_control',
  'context_management',
  'compaction',
  'output_config',
  'output_format',
  'diagnostics',
  'service_tier',
]);

/** Tools that the client runs itself, and the search among the tools of the same request. */
const clientTool = /^(custom|(bash|text_editor|computer|computer_toolset|memory|tool_search_tool_[a-z0-9]+)(_\d{8})?)$/;

const nestingMax = 200;
/** No model answers with more, whatever is asked for. */
const answerTokensMax = 200_000;

function passed({ model, stream, max_tokens }: Request, json: object): CheckedBody {
  const entries = Object.entries(json);
  return {
    verdict: 'passed',
    model,
    streamed: stream === true,
    maxTokens: Math.min(max_tokens ?? 0, answerTokensMax),
    text: JSON.stringify(Object.fromEntries(entries.filter(([name]) => passedFields.has(name)))),
    leftOut: entries.map(([name]) => name).filter((name) => !passedFields.has(name)),
  };
}

function refusalOf(body: Request, models: readonly string[] | undefined): string | undefined {
  if (models !== undefined && !models.includes(body.model)) return `the model ${quoted(body.model)} is not of this run`;
  if (isThere(body.mcp_servers)) return 'MCP servers are called by the model endpoint itself (mcp_servers)';
  if (isThere(body.container)) return 'the model endpoint runs nothing for this run (container)';
  for (const tool of body.tools ?? []) {
    const refusal = refusalOfTool(tool);
    if (refusal !== undefined) return refusal;
  }
  return refusalWithin(body.messages, 0) ?? refusalWithin(body.system, 0);
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0);
}

function refusalOfTool(tool: object): string | undefined {
  const type = 'type' in tool ? (tool.type ?? 'custom') : 'custom';
  if (typeof type === 'string' && clientTool.test(type)) return undefined;
  return `the model endpoint runs no tools for this run (${quoted(type)})`;
}

/** Looks at every object of a conversation but what is plain data: arguments of tool calls, schemas of tools. */
function refusalWithin(value: unknown, depth: number): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > nestingMax) return 'the conversation is nested too deeply';
  if (!Array.isArray(value)) {
    const refusal = refusalOfBlock(value);
    if (refusal !== undefined) return refusal;
  }
  const type = 'type' in value && typeof value.type === 'string' ? value.type : '';
  const plainData = type.endsWith('tool_use') ? 'input' : type === 'tool_definition' ? 'definition' : undefined;
  for (const [name, inner] of Object.entries(value)) {
    if (name === plainData) continue;
    const refusal = refusalWithin(inner, depth + 1);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function refusalOfBlock(block: object): string | undefined {
  const type = 'type' in block ? block.type : undefined;
  if (type === 'url') return 'the model endpoint fetches no address for this run (a source by URL)';
  if (type === 'file' || isThere(Reflect.get(block, 'file_id'))) return 'files of the model endpoint are out of reach';
  if (type === 'tool_definition') return refusalOfDefinition(Reflect.get(block, 'definition'));
  if (type === 'mcp_toolset' || type === 'mcp_tool_listing')
    return 'MCP servers are out of reach (a block of MCP tools)';
  return undefined;
}

/** A tool that is added in the middle of a conversation. */
function refusalOfDefinition(definition: unknown): string | undefined {
  return typeof definition === 'object' && definition !== null ? refusalOfTool(definition) : undefined;
}

function quoted(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 100) ?? 'undefined';
}

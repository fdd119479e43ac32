import { z } from 'zod';

/** What a model needs to know of a line of Claude's own stream; its whole is in the line's `data`. */
export function claudeLineAsText(data: unknown): string {
  const parsed = claudeLine.safeParse(data);
  if (!parsed.success) return cut(JSON.stringify(data) ?? '');
  const { type, subtype, message, model, result } = parsed.data;
  if (message !== undefined) return message.content.map(blockAsText).join('\n') || type;
  return [type, subtype, model, result].filter((part) => part !== undefined && part !== '').join(' ');
}

const pieceCharactersMax = 400;

const textBlock = z.object({ type: z.literal('text'), text: z.string() });

const contentBlock = z.union([
  textBlock,
  z.object({ type: z.literal('tool_use'), name: z.string(), input: z.unknown() }),
  z.object({ type: z.literal('tool_result'), content: z.unknown() }),
  z.looseObject({ type: z.string() }),
]);

const claudeLine = z.object({
  type: z.string(),
  subtype: z.string().optional(),
  model: z.string().optional(),
  result: z.string().transform(cut).optional(),
  message: z
    .object({
      content: z.union([z.array(contentBlock), z.string().transform((text) => [{ type: 'text' as const, text }])]),
    })
    .optional(),
});

function blockAsText(block: z.infer<typeof contentBlock>): string {
  if (block.type === 'text' && 'text' in block) return String(block.text);
  if (block.type === 'tool_use' && 'input' in block) return `→ ${block.name} ${cut(JSON.stringify(block.input) ?? '')}`;
  if (block.type === 'tool_result' && 'content' in block) return `← ${cut(resultAsText(block.content))}`;
  return `(${block.type})`;
}

function resultAsText(content: unknown): string {
  if (typeof content === 'string') return content;
  const texts = z.array(z.union([textBlock, z.looseObject({ type: z.string() })])).safeParse(content);
  if (!texts.success) return JSON.stringify(content) ?? '';
  return texts.data.map((block) => ('text' in block ? String(block.text) : `(${block.type})`)).join('\n');
}

function cut(text: string): string {
  if (text.length <= pieceCharactersMax) return text;
  return `${text.slice(0, pieceCharactersMax).toWellFormed()}… [${text.length - pieceCharactersMax} more characters]`;
}

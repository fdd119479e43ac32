import type Anthropic from '@anthropic-ai/sdk';
import { executeTool, type Runyard } from './runyard.ts';

export interface LoopOptions {
  readonly anthropic: Anthropic;
  readonly runyard: Runyard;
  readonly model: string;
  /** The content of `tool-specs/messages-api.json`. */
  readonly tools: Anthropic.Tool[];
  readonly prompt: string;
  /** Told of each call, before it is made. */
  readonly onToolUse: (block: Anthropic.ToolUseBlock) => void;
}

const answersMax = 50;
const maxTokens = 8_000;

/** Asks, executes what the model wants executed, and asks again, to the end of the turn. Returns the last text. */
export async function runTurn({ anthropic, runyard, model, tools, prompt, onToolUse }: LoopOptions): Promise<string> {
  const messages: Anthropic.MessageParam[] = [{ role: 'user', content: prompt }];
  for (let answers = 0; answers < answersMax; answers++) {
    const message = await anthropic.messages.create({ model, max_tokens: maxTokens, tools, messages });
    messages.push({ role: 'assistant', content: message.content });
    if (message.stop_reason !== 'tool_use') return textOf(message);
    const calls = message.content.filter((block) => block.type === 'tool_use');
    calls.forEach(onToolUse);
    // In parallel: each call is a sandbox of its own.
    messages.push({ role: 'user', content: await Promise.all(calls.map((call) => executeTool(runyard, call))) });
  }
  throw new Error(`The model asked for tools in ${answersMax} answers in a row.`);
}

function textOf({ content }: Anthropic.Message): string {
  return content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('');
}

import type Anthropic from '@anthropic-ai/sdk';
import { z } from 'zod';

const problem = z.object({ code: z.string(), detail: z.string(), hint: z.string() });

export interface Runyard {
  /** Such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** A key of the server, or the token in `~/.runyard/http-token`. */
  readonly token: string;
}

/** Executes one `tool_use` block. An error of the tool is an answer too: the model can try something else. */
export async function executeTool(
  { url, token }: Runyard,
  { id, name, input }: Anthropic.ToolUseBlock,
): Promise<Anthropic.ToolResultBlockParam> {
  const response = await fetch(`${url}/v1/tools/${encodeURIComponent(name)}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(input),
  });
  const answer: unknown = await response.json();
  if (response.ok) return { type: 'tool_result', tool_use_id: id, content: JSON.stringify(answer) };
  if (response.status === 401) throw new Error(`Runyard at ${url} does not know this token.`);
  const { code, detail, hint } = problem.parse(answer);
  return { type: 'tool_result', tool_use_id: id, is_error: true, content: `${code}: ${detail}\n${hint}` };
}

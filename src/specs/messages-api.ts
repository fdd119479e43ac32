import type { Tool } from '../tools/define-tool.ts';
import { describeTool } from '../tools/describe-tool.ts';

/** The `tools` of a request to the Messages API. */
export function messagesApiTools<Services>(tools: readonly Tool<Services>[]) {
  return tools.map(describeTool).map(({ name, description, inputSchema }) => ({
    name,
    description,
    input_schema: inputSchema,
  }));
}

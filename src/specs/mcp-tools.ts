import type { Tool } from '../tools/define-tool.ts';
import { describeTool } from '../tools/describe-tool.ts';

/** The answer to MCP's `tools/list`. */
export function mcpTools<Services>(tools: readonly Tool<Services>[]) {
  return { tools: tools.map(describeTool) };
}

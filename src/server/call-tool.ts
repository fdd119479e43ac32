import type { Caller } from '../contracts/caller.ts';
import type { Tool, ToolAnswer, ToolServices } from '../tools/index.ts';
import type { Face } from './face.ts';

/** One call of a tool, whatever the protocol: it ends early when the client goes or the server stops. */
export function callTool(
  { calls, services }: Face,
  tool: Tool<ToolServices>,
  input: unknown,
  caller: Caller,
  clientGone: AbortSignal,
): Promise<ToolAnswer> {
  return tool.call(input, { caller, signal: AbortSignal.any([clientGone, calls.stopping]) }, services);
}

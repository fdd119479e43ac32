import { z } from 'zod';

/** What a caller adds to Claude Code itself. None of it comes to lie in the working directory. */

const words = z.record(z.string(), z.string());

/** A server that runs inside the wall, or one that is reached through the door: by a tunnel, or under a secret by the gateway. */
export const mcpServer = z.union([
  z.strictObject({ command: z.string(), args: z.array(z.string()).optional(), env: words.optional() }),
  z.strictObject({
    url: z.url(),
    headers: words.optional(),
    /** The bearer token: its reference where a task is submitted, its value where it is sealed. Never seen inside the wall. */
    secret: z.string().optional(),
  }),
]);
export type McpServer = z.infer<typeof mcpServer>;

export const claudeConfig = z.strictObject({
  /** The CLI's own JSON, by name. */
  agents: z.record(z.string(), z.record(z.string(), z.json())).optional(),
  /** Slash commands by name. A description is one line. */
  commands: z
    .record(z.string(), z.strictObject({ content: z.string(), description: z.string().optional() }))
    .optional(),
  mcpServers: z.record(z.string(), mcpServer).optional(),
  /** Whether settings, hooks, MCP servers and CLAUDE.md that lie in the working directory count. */
  trustRepoSettings: z.boolean().optional(),
});
export type ClaudeConfig = z.infer<typeof claudeConfig>;

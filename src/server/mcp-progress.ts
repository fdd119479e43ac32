import type { ServerContext } from '@modelcontextprotocol/server';
import type { Logger } from '../lib/logger.ts';
import { startProgress } from './progress.ts';

/** Tells a client that asked for it that its call is alive. Returns what ends it. */
export function startMcpProgress(tool: { title: string }, ctx: ServerContext, log: Logger): () => void {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return () => {};
  return startProgress(tool, (progress) =>
    ctx.mcpReq
      .notify({ method: 'notifications/progress', params: { progressToken, ...progress } })
      .catch((error: unknown) => log.debug({ error }, 'A client did not take its progress')),
  );
}

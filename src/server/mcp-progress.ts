import type { ServerContext } from '@modelcontextprotocol/server';
import type { Logger } from '../lib/logger.ts';

/** Clients and proxies give up on a silent call; 15 s is the promise. */
const progressEveryMs = 10_000;

/** Tells a client that asked for it that its call is alive. Returns what ends it. */
export function startProgress({ title }: { title: string }, ctx: ServerContext, log: Logger): () => void {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return () => {};
  const startedAtMs = performance.now();
  const tell = () => {
    const seconds = Math.round((performance.now() - startedAtMs) / 1000);
    const params = { progressToken, progress: seconds, message: `${title}: waiting for ${seconds} s` };
    ctx.mcpReq
      .notify({ method: 'notifications/progress', params })
      .catch((error: unknown) => log.debug({ error }, 'A client did not take its progress'));
  };
  const timer = setInterval(tell, progressEveryMs);
  return () => clearInterval(timer);
}

import { setImmediate } from 'node:timers/promises';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import type { Caller } from '../contracts/caller.ts';
import type { Face } from './face.ts';
import { createMcpFactory } from './mcp.ts';

/** One message holds 8 MiB of inline files at most, which JSON may write twice as long. */
const messageBytesMax = 32 * 1024 * 1024;

export interface StdioServer {
  /** Resolves when the client has gone. */
  readonly ended: Promise<void>;
  /** Lets calls under way end, for `drainMs` at most. */
  close(drainMs: number): Promise<void>;
}

/** Serves one MCP client on this process's stdin and stdout; nothing else is ever written there. */
export function serveOnStdio(face: Face, caller: Caller): StdioServer {
  const { stdin: input, stdout: output } = process;
  const transport = new StdioServerTransport(input, output, { maxBufferSize: messageBytesMax });
  const ended = new Promise<void>((resolve) => {
    input.once('end', resolve);
    input.once('close', resolve);
    output.once('error', () => resolve());
    // It closes itself where it can read no further, and would never hear that the client has gone.
    const close = transport.close.bind(transport);
    transport.close = () => close().finally(resolve);
  });
  const handle = serveStdio(
    createMcpFactory(face, () => caller),
    {
      transport,
      onerror: (error) => face.log.warn({ error }, 'The MCP client sent something that is no message'),
    },
  );
  return {
    ended,
    async close(drainMs) {
      await face.calls.drain(drainMs);
      // The protocol writes an answer right after the call that made it.
      await setImmediate();
      await handle.close();
    },
  };
}

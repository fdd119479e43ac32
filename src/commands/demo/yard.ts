import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { z } from 'zod';

/** What a tool answered, as far as the demo looks at it. */
const answer = z.object({
  content: z.array(z.looseObject({ type: z.string(), text: z.string().optional(), data: z.string().optional() })),
  structuredContent: z.record(z.string(), z.unknown()).optional(),
  isError: z.boolean().optional(),
});
export type Answer = z.infer<typeof answer>;

/** A real server of its own in a folder of its own, and the official client connected to it over stdio. */
export interface DemoYard {
  readonly folder: string;
  readonly protocol: string;
  /** A port of the host's loopback that listens, and how often somebody came. */
  readonly bait: { readonly port: number; visits(): number };
  listTools(): Promise<readonly { name: string; title?: string | undefined }[]>;
  call(tool: string, input: Record<string, unknown>): Promise<Answer>;
  close(): Promise<void>;
}

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** What follows `node` on the command line of a server of this checkout. */
export const serveArguments = [fileURLToPath(new URL(`../../main.${extension}`, import.meta.url)), 'serve'];

export async function openYard(): Promise<DemoYard> {
  const folder = mkdtempSync(join(tmpdir(), 'runyard-demo-'));
  // Programs run under users of their own, who must reach their workspaces.
  chmodSync(folder, 0o711);
  const bait = await listen();
  const client = new Client({ name: 'runyard-demo', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  const env = { ...inherited(), RUNYARD_HOME: join(folder, 'home'), RUNYARD_WORK: join(folder, 'work') };
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: serveArguments, env, stderr: 'inherit' }),
  );
  return {
    folder,
    protocol: client.getNegotiatedProtocolVersion() ?? 'unknown',
    bait,
    listTools: async () => (await client.listTools()).tools,
    call: async (tool, input) => answer.parse(await client.callTool({ name: tool, arguments: input })),
    async close() {
      await client.close();
      bait.close();
      rmSync(join(folder, 'home'), { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
      rmSync(join(folder, 'work'), { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
    },
  };
}

/** The demo shows Runyard as it comes: settings of this machine's own Runyard stay out. */
function inherited(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || name.startsWith('RUNYARD_') ? [] : [[name, value]],
    ),
  );
}

async function listen(): Promise<DemoYard['bait'] & { close(): void }> {
  let visits = 0;
  const server = createServer((socket) => {
    visits++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The listener of the demo has no port.');
  return { port: address.port, visits: () => visits, close: () => server.close() };
}

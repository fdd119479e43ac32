import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as OldHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { z } from 'zod';
import { environment, program } from './server.ts';

/** What all clients are asked in these tests, whatever they are made of. */
export interface AnyClient {
  listTools(): Promise<{ tools: { name: string; [key: string]: unknown }[] }>;
  callTool(name: string, args: Record<string, unknown>, options?: CallOptions): Promise<ToolResult>;
  readResource(uri: string): Promise<unknown>;
  listResourceTemplates(): Promise<{ resourceTemplates: { uriTemplate: string }[] }>;
  instructions(): string | undefined;
  close(): Promise<void>;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeout?: number;
  readonly onprogress?: (progress: { progress: number; message?: string | undefined }) => void;
}

const toolResult = z.looseObject({
  isError: z.boolean().optional(),
  structuredContent: z.record(z.string(), z.unknown()).optional(),
  content: z.array(
    z.looseObject({
      type: z.string(),
      text: z.string().optional(),
      data: z.string().optional(),
      mimeType: z.string().optional(),
    }),
  ),
});
export type ToolResult = z.infer<typeof toolResult>;

export type Era = 'modern' | 'legacy' | 'old line';
export const eras: readonly Era[] = ['modern', 'legacy', 'old line'];

const identity = { name: 'runyard-tests', version: '1.0.0' };

export async function connectStdio(era: Era, home: string, env: Record<string, string> = {}): Promise<AnyClient> {
  const server = {
    ...program,
    args: [...program.args, 'serve'],
    env: environment(home, env),
    stderr: 'ignore' as const,
  };
  return era === 'old line' ? connectOld(new OldStdio(server)) : connectNew(era, new StdioClientTransport(server));
}

export async function connectHttp(era: Era, url: string, token: string | undefined): Promise<AnyClient> {
  const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const endpoint = new URL('/mcp', url);
  const options = { requestInit: { headers } };
  return era === 'old line'
    ? connectOld(new OldHttp(endpoint, options))
    : connectNew(era, new StreamableHTTPClientTransport(endpoint, options));
}

async function connectNew(era: 'modern' | 'legacy', transport: Parameters<Client['connect']>[0]): Promise<AnyClient> {
  const mode = era === 'legacy' ? 'legacy' : { pin: '2026-07-28' };
  const client = new Client(identity, { versionNegotiation: { mode } });
  await client.connect(transport);
  return {
    listTools: () => client.listTools(),
    callTool: async (name, args, options = {}) =>
      toolResult.parse(await client.callTool({ name, arguments: args }, { timeout: 60_000, ...options })),
    readResource: (uri) => client.readResource({ uri }),
    listResourceTemplates: () => client.listResourceTemplates(),
    instructions: () => client.getInstructions(),
    close: () => client.close(),
  };
}

async function connectOld(transport: OldStdio | OldHttp): Promise<AnyClient> {
  const client = new OldClient(identity);
  await client.connect(transport as Parameters<OldClient['connect']>[0]);
  return {
    listTools: () => client.listTools(),
    callTool: async (name, args, options = {}) =>
      toolResult.parse(await client.callTool({ name, arguments: args }, undefined, { timeout: 60_000, ...options })),
    readResource: (uri) => client.readResource({ uri }),
    listResourceTemplates: () => client.listResourceTemplates(),
    instructions: () => client.getInstructions(),
    close: () => client.close(),
  };
}

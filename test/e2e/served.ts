import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { z } from 'zod';
import { hasCode } from '../../src/lib/has-code.ts';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

const toolAnswer = z.object({
  content: z.array(
    z.looseObject({
      type: z.string(),
      text: z.string().optional(),
      data: z.string().optional(),
      mimeType: z.string().optional(),
    }),
  ),
  structuredContent: z.record(z.string(), z.json()).optional(),
  isError: z.boolean().optional(),
});
export type ToolAnswer = z.infer<typeof toolAnswer>;

/** The built bin, spawned, with the official client on its stdio. */
export interface Served {
  readonly client: Client;
  readonly pid: number;
  /** Whatever is answered, as it comes. */
  answer(tool: string, input: Record<string, unknown>): Promise<ToolAnswer>;
  /** The structured content of a call that must succeed. */
  call(tool: string, input: Record<string, unknown>): Promise<Record<string, z.core.util.JSONType>>;
  /** The text of a call that must be refused. */
  refusal(tool: string, input: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

/** A folder for the homes of servers, gone with everything in it at the end. */
export function createHome(): { readonly home: string; remove(): void } {
  const home = mkdtempSync(join(tmpdir(), 'runyard-served-'));
  chmodSync(home, 0o711);
  return { home, remove: () => rmSync(home, { recursive: true, force: true, maxRetries: 30, retryDelay: 100 }) };
}

export function serve(home: string, env: Record<string, string> = {}): Promise<Served> {
  return serveCommand(home, { env });
}

/** The same, started through another command that puts `before` ahead of the server's own. */
export async function serveCommand(
  home: string,
  { command, before = [], env = {} }: { command?: string; before?: readonly string[]; env?: Record<string, string> },
): Promise<Served> {
  const own = [process.execPath, main, 'serve'];
  const [first, ...rest] = command === undefined ? own : [command, ...before, ...own];
  const transport = new StdioClientTransport({
    command: first!,
    args: rest,
    env: { ...environmentOf(home), ...env },
    stderr: 'ignore',
  });
  const client = new Client({ name: 'runyard-test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(transport);
  const answerOf = async (tool: string, input: Record<string, unknown>) =>
    toolAnswer.parse(await client.callTool({ name: tool, arguments: input }, { timeout: 120_000 }));
  return {
    client,
    pid: transport.pid!,
    answer: answerOf,
    async call(tool, input) {
      const answer = await answerOf(tool, input);
      if (answer.isError === true) throw new Error(answer.content[0]?.text);
      return answer.structuredContent!;
    },
    async refusal(tool, input) {
      const answer = await answerOf(tool, input);
      if (answer.isError !== true)
        throw new Error(`${tool} was not refused: ${JSON.stringify(answer.structuredContent)}`);
      return answer.content[0]!.text!;
    },
    close: () => client.close(),
  };
}

/** The built bin behind HTTP. */
export interface ServedOverHttp {
  readonly child: ChildProcess;
  readonly url: string;
  /** The answer of a call that must succeed, over REST. */
  call(token: string, tool: string, input: Record<string, unknown>): Promise<Record<string, z.core.util.JSONType>>;
}

/** On a free port, once it listens; `RUNYARD_API_KEYS` in `env` says whose tokens it takes. */
export async function serveHttp(home: string, env: Record<string, string>): Promise<ServedOverHttp> {
  const child = spawn(process.execPath, [main, 'serve', '--http', '127.0.0.1:0'], {
    env: { ...environmentOf(home), ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const listening = Promise.withResolvers<string>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    const { url } = z.looseObject({ url: z.string().optional() }).parse(JSON.parse(line));
    if (url !== undefined) listening.resolve(url);
  });
  child.once('exit', (code) => listening.reject(new Error(`The server ended with ${code} before it listened.`)));
  const url = await listening.promise;
  return {
    child,
    url,
    async call(token, tool, input) {
      const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
      const target = new URL(`/v1/tools/${tool}`, url);
      const response = await fetch(target, { method: 'POST', headers, body: JSON.stringify(input) });
      const text = await response.text();
      if (!response.ok) throw new Error(text);
      return z.record(z.string(), z.json()).parse(JSON.parse(text));
    },
  };
}

/** All that a server sees of this process's environment. */
function environmentOf(home: string): Record<string, string> {
  return { PATH: process.env.PATH ?? '', HOME: home, RUNYARD_HOME: home, RUNYARD_WORK: join(home, 'work') };
}

const page = z.looseObject({
  status: z.string(),
  lines: z.array(z.looseObject({ text: z.string().optional(), partial: z.boolean().optional() })),
  next_cursor: z.string(),
  total_lines: z.number(),
});

/** All lines of a task, page by page, waiting for its end. */
export async function wholeLog(served: Served, taskId: string): Promise<{ lines: string[]; status: string }> {
  const lines: string[] = [];
  for (let cursor = 'start'; ; ) {
    const {
      status,
      lines: more,
      next_cursor,
    } = page.parse(await served.call('get_task_logs', { task_id: taskId, cursor, wait_seconds: 20, limit: 1000 }));
    lines.push(...more.map((line) => line.text ?? ''));
    if (more.length === 0 && status !== 'running' && status !== 'queued') return { lines, status };
    cursor = next_cursor;
  }
}

/** Every file below the folder whose name or bytes hold the text. Workspaces may be wiped meanwhile. */
export function filesHolding(folder: string, text: string): string[] {
  return (orGone(() => readdirSync(folder, { withFileTypes: true })) ?? []).flatMap((entry) => {
    const path = join(folder, entry.name);
    const named = entry.name.includes(text) ? [path] : [];
    if (entry.isDirectory()) return [...named, ...filesHolding(path, text)];
    return entry.isFile() && orGone(() => readFileSync(path))?.includes(text) ? [path] : named;
  });
}

function orGone<Found>(read: () => Found): Found | undefined {
  try {
    return read();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { z } from 'zod';
import { program } from './bare.ts';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** A scratch `RUNYARD_HOME`. */
export interface Home {
  readonly path: string;
  remove(): void;
}

export function makeHome(): Home {
  const path = mkdtempSync(join(tmpdir(), 'runyard-bench-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }) };
}

const output = z.looseObject({ stdout: z.string() });

/** The built server on stdio with the official client. */
export interface Served {
  readonly pid: number;
  /** One `execute_code`; rejects where the answer is not what the program prints. */
  call(): Promise<void>;
  /** Milliseconds of `times` calls, `atOnce` at a time. */
  callMany(times: number, atOnce: number): Promise<number>;
  close(): Promise<void>;
}

export async function serve(home: Home): Promise<Served> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [main, 'serve'],
    env: environment(home),
  });
  const client = new Client({ name: 'bench', version: '1.0.0' });
  await client.connect(transport);
  const call = async () => {
    const { structuredContent, content } = await client.callTool({
      name: 'execute_code',
      arguments: { language: 'python', code: program.code },
    });
    if (output.safeParse(structuredContent).data?.stdout !== program.prints) {
      throw new Error(`execute_code answered ${JSON.stringify(structuredContent ?? content)}`);
    }
  };
  return {
    pid: transport.pid ?? 0,
    call,
    async callMany(times, atOnce) {
      const left = { count: times };
      const worker = async () => {
        while (left.count > 0) {
          left.count -= 1;
          await call();
        }
      };
      const startedAt = performance.now();
      await Promise.all(Array.from({ length: atOnce }, worker));
      return performance.now() - startedAt;
    },
    close: () => client.close(),
  };
}

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } },
};

/** Milliseconds from the start of the server's process to its first raw answer. */
export async function firstAnswer(home: Home): Promise<number> {
  const startedAt = performance.now();
  const server: ChildProcess = spawn(process.execPath, [main, 'serve'], {
    env: environment(home),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  server.stdin?.write(`${JSON.stringify(initialize)}\n`);
  const [chunk] = await once(server.stdout!, 'data');
  const ms = performance.now() - startedAt;
  if (!String(chunk).includes('"serverInfo"')) throw new Error(`the first answer is ${String(chunk)}`);
  server.stdin?.end();
  await once(server, 'exit');
  return ms;
}

/** The runner that this server started. */
export function runnerOf(serverPid: number): number {
  const runner = readdirSync('/proc').find((name) => /^\d+$/.test(name) && isRunnerOf(Number(name), serverPid));
  if (runner === undefined) throw new Error('the server has no runner');
  return Number(runner);
}

/** Megabytes of 2^20 bytes that are resident, as `ps` counts them. */
export function residentMegabytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

function isRunnerOf(pid: number, serverPid: number): boolean {
  try {
    const isChild = new RegExp(`^PPid:\\s+${serverPid}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return isChild && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('runner/main.js');
  } catch {
    return false;
  }
}

function environment(home: Home): Record<string, string> {
  const { PATH = '', HOME = '/' } = process.env;
  return { PATH, HOME, RUNYARD_HOME: home.path };
}

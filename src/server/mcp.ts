import {
  type McpRequestContext,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Caller } from '../contracts/caller.ts';
import { once } from '../lib/once.ts';
import { describeTool } from '../tools/describe-tool.ts';
import type { ToolAnswer } from '../tools/index.ts';
import { callTool } from './call-tool.ts';
import type { Face } from './face.ts';
import { instructions } from './instructions.ts';
import { startMcpProgress } from './mcp-progress.ts';
import { serveResources } from './mcp-resources.ts';
import { reportError } from './report-error.ts';

const listsAreGoodForMs = 300_000;
const artifactsAreGoodForMs = 3_600_000;

/** Makes a server for each connection or request, of either protocol era. `callerOf` throws where nobody is known. */
export function createMcpFactory(face: Face, callerOf: (context: McpRequestContext) => Caller) {
  const describe = once(() => face.tools.map(describeTool));
  return (context: McpRequestContext): Server => {
    const caller = callerOf(context);
    const server = new Server(
      { name: 'runyard', title: 'Runyard', version: face.version },
      {
        capabilities: { tools: {}, resources: {} },
        instructions,
        cacheHints: {
          'tools/list': { ttlMs: listsAreGoodForMs, cacheScope: 'public' },
          'resources/list': { ttlMs: listsAreGoodForMs, cacheScope: 'public' },
          'resources/templates/list': { ttlMs: listsAreGoodForMs, cacheScope: 'public' },
          'resources/read': { ttlMs: artifactsAreGoodForMs, cacheScope: 'private' },
        },
      },
    );
    server.onerror = (error) => face.log.debug({ error }, 'A message of an MCP client could not be handled');
    server.setRequestHandler('tools/list', () => ({ tools: describe() }));
    server.setRequestHandler('tools/call', ({ params }, ctx) =>
      face.calls.track(answerCall(face, caller, params, ctx)),
    );
    serveResources(server, face, caller);
    return server;
  };
}

async function answerCall(
  face: Face,
  caller: Caller,
  params: { name: string; arguments?: Record<string, unknown> | undefined },
  ctx: ServerContext,
) {
  const tool = face.tools.find(({ name }) => name === params.name);
  if (tool === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${params.name}`);
  const stopProgress = startMcpProgress(tool, ctx, face.log);
  try {
    return await renderAnswer(await callTool(face, tool, params.arguments ?? {}, caller, ctx.mcpReq.signal), face);
  } catch (error) {
    return renderError(error, face);
  } finally {
    stopProgress();
  }
}

async function renderAnswer(answer: ToolAnswer, face: Face) {
  const text = { type: 'text' as const, text: answer.text() };
  const images = await answer.pictures().catch((error: unknown) => {
    reportError(error, 'The pictures of an answer could not be read', face.log);
    return [];
  });
  const pictures = images.map(({ mimeType, bytes }) => ({
    type: 'image' as const,
    mimeType,
    data: bytes.toString('base64'),
  }));
  return { content: [text, ...pictures], structuredContent: answer.output };
}

/** Clients show a model the text of an error and nothing else of it, so everything is in the text. */
function renderError(thrown: unknown, face: Face) {
  const error = reportError(thrown, 'A tool failed', face.log);
  return {
    isError: true,
    content: [{ type: 'text' as const, text: `${error.code}: ${error.message}\n${error.hint}` }],
  };
}

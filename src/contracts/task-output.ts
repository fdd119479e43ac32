import { z } from 'zod';
import { type Artifact, artifactUri } from './artifact.ts';
import { cleanJson, cleanText } from './clean-text.ts';
import type { TaskId } from './ids.ts';
import { type ClaudeResult, type RunError, type RunResult, sandboxReport, type TaskKind, taskStatus } from './task.ts';
import type { TaskSummary, TaskView } from './task-service.ts';

/** What a task looks like from outside: the output of its tool, and of everything else that tells of a task. */

export const toolOfKind = { code: 'execute_code', claude: 'run_claude_task' } as const satisfies Record<
  TaskKind,
  string
>;

export const artifactOutput = z.object({
  path: z.string(),
  size_bytes: z.int(),
  sha256: z.string(),
  mime_type: z.string(),
  uri: z.string(),
  text: z.string().optional(),
});

const errorOutput = z.object({
  code: z.string(),
  type: z.string().optional(),
  message: z.string(),
  line: z.int().optional(),
});

/** Always there. */
const taskHead = {
  task_id: z.string(),
  status: taskStatus,
  hint: z.string().optional().describe('While unfinished: how to follow it'),
};

/** Fields of the end: there together once the task has ended. */
const taskTail = {
  error: errorOutput.optional(),
  artifacts: z.array(artifactOutput).optional(),
  duration_ms: z.number().optional(),
};

export const codeOutput = z.object({
  ...taskHead,
  success: z.boolean().optional(),
  exit_code: z.int().nullable().optional(),
  stdout: z.string().optional(),
  stderr: z.string().optional(),
  ...taskTail,
  truncated: z.boolean().optional(),
  sandbox: sandboxReport.optional(),
});
export type CodeOutput = z.infer<typeof codeOutput>;

const usageOutput = z.object({
  input_tokens: z.int(),
  output_tokens: z.int(),
  cache_creation_input_tokens: z.int(),
  cache_read_input_tokens: z.int(),
});

export const claudeOutput = z.object({
  ...taskHead,
  success: z.boolean().optional(),
  response: z.string().optional(),
  structured_output: z.unknown().optional(),
  num_turns: z.int().optional(),
  usage: usageOutput.optional(),
  cost_usd: z.number().nullable().optional(),
  permission_denials: z.array(z.unknown()).optional(),
  session_id: z.string().optional(),
  ...taskTail,
});
export type ClaudeOutput = z.infer<typeof claudeOutput>;
export type TaskOutput = CodeOutput | ClaudeOutput;

export const taskListItem = z.object({
  task_id: z.string(),
  tool: z.enum([toolOfKind.code, toolOfKind.claude]),
  status: taskStatus,
  created_at: z.string(),
  metadata: z.record(z.string(), z.unknown()).optional(),
});
export type TaskListItem = z.infer<typeof taskListItem>;

export function hasEnded(view: Pick<TaskView, 'status'>): boolean {
  return view.status !== 'queued' && view.status !== 'running';
}

/** The output of the task's own tool: id, status and a hint while it is unfinished, everything once it has ended. */
export function taskOutput(view: TaskView): TaskOutput {
  const { id, kind } = view.record;
  const result = view.results[0];
  if (!hasEnded(view) || result === undefined) {
    return { task_id: id, status: view.status, hint: howToFollow(id, view.status) };
  }
  const head = { task_id: id, status: view.status, success: view.status === 'succeeded' };
  return kind === 'code'
    ? { ...head, ...codeEnd(result), ...commonEnd(id, result), sandbox: result.sandbox }
    : { ...head, ...claudeEnd(result.claude), ...commonEnd(id, result) };
}

export function taskListEntry({ record, status }: TaskSummary): TaskListItem {
  return {
    task_id: record.id,
    tool: toolOfKind[record.kind],
    status,
    created_at: record.createdAt,
    ...(record.metadata === undefined ? {} : { metadata: record.metadata }),
  };
}

function howToFollow(id: TaskId, status: TaskView['status']): string {
  const state = status === 'queued' ? 'waits for a free place' : 'still runs';
  return `${id} ${state}; follow it with get_task_logs (wait_seconds waits for its end), stop it with cancel_task.`;
}

function codeEnd(result: RunResult) {
  return {
    exit_code: result.exitCode,
    stdout: cleanText(result.stdout),
    stderr: cleanText(result.stderr),
    ...(result.truncated ? { truncated: true } : {}),
  };
}

function commonEnd(id: TaskId, result: RunResult) {
  return {
    ...(result.error === undefined ? {} : { error: errorEnd(result.error) }),
    artifacts: artifactsEnd(id, result),
    duration_ms: result.durationMs,
  };
}

function errorEnd({ code, type, message, line }: RunError) {
  return {
    code,
    ...(type === undefined ? {} : { type: cleanText(type) }),
    message: cleanText(message),
    ...(line === undefined ? {} : { line }),
  };
}

/** Of all texts of artifacts in one output; those beyond are a `read_artifact` away. */
const artifactTextsMax = 64 * 1024;

function artifactsEnd(id: TaskId, { run, artifacts }: RunResult): z.infer<typeof artifactOutput>[] {
  let room = artifactTextsMax;
  return artifacts.map((artifact) => {
    const { text, ...rest } = artifactEnd(id, run, artifact);
    if (text === undefined || text.length > room) return rest;
    room -= text.length;
    return { ...rest, text };
  });
}

function artifactEnd(id: TaskId, run: number, artifact: Artifact): z.infer<typeof artifactOutput> {
  return {
    path: artifact.path,
    size_bytes: artifact.sizeBytes,
    sha256: artifact.sha256,
    mime_type: artifact.mimeType,
    uri: artifactUri(id, run, artifact.path),
    ...(artifact.text === undefined ? {} : { text: cleanText(artifact.text) }),
  };
}

/** A run that ended before Claude said a word has answered nothing; what it cost is not known. */
const nothingSaid: ClaudeResult = {
  response: '',
  numTurns: 0,
  usage: { inputTokens: 0, outputTokens: 0, cacheCreationInputTokens: 0, cacheReadInputTokens: 0 },
  costUsd: null,
  permissionDenials: [],
  sessionId: '',
};

function claudeEnd(claude: ClaudeResult = nothingSaid) {
  return {
    response: cleanText(claude.response),
    ...(claude.structuredOutput === undefined ? {} : { structured_output: cleanJson(claude.structuredOutput) }),
    num_turns: claude.numTurns,
    usage: {
      input_tokens: claude.usage.inputTokens,
      output_tokens: claude.usage.outputTokens,
      cache_creation_input_tokens: claude.usage.cacheCreationInputTokens,
      cache_read_input_tokens: claude.usage.cacheReadInputTokens,
    },
    cost_usd: claude.costUsd,
    permission_denials: claude.permissionDenials.map(cleanJson),
    session_id: cleanText(claude.sessionId),
  };
}

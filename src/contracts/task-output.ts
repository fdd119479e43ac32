import { z } from 'zod';
import { cleanText } from './clean-text.ts';
import {
  artifactEnd,
  artifactOutput,
  claudeEnd,
  codeEnd,
  commonEnd,
  errorEnd,
  errorOutput,
  gitEnd,
  gitOutput,
  usageEnd,
  usageOutput,
} from './run-output.ts';
import {
  noUsage,
  type RunError,
  type RunResult,
  type RunSummary,
  runStatus,
  sandboxReport,
  type TaskKind,
  type TaskOutcome,
  type TaskRecord,
  taskStatus,
} from './task.ts';
import type { TaskSummary, TaskView } from './task-service.ts';

/**
 * What a task looks like from outside: the output of its tool, and of everything else that tells of a task. Where it has
 * several runs, its own fields tell of all of them together, and `runs` of each.
 */

export const toolOfKind = { code: 'execute_code', claude: 'run_claude_task' } as const satisfies Record<
  TaskKind,
  string
>;

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
  artifacts_left_out: z.int().optional(),
  duration_ms: z.number().optional(),
};

/** One of several runs; its whole is told by `run` in get_task_logs. */
const runHead = { run: z.int(), status: runStatus, success: z.boolean(), error: errorOutput.optional() };
const codeRun = z.object({ ...runHead, exit_code: z.int().nullable(), stdout: z.string() });
const claudeRun = z.object({ ...runHead, cost_usd: z.number().nullable(), response: z.string() });
export type RunOutput = z.infer<typeof codeRun> | z.infer<typeof claudeRun>;

export const codeOutput = z.object({
  ...taskHead,
  success: z.boolean().optional(),
  exit_code: z.int().nullable().optional(),
  stdout: z.string().optional(),
  stderr: z.string().optional(),
  ...taskTail,
  truncated: z.boolean().optional(),
  sandbox: sandboxReport.optional(),
  runs: z.array(codeRun).optional(),
});
export type CodeOutput = z.infer<typeof codeOutput>;

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
  git: gitOutput.optional(),
  ...taskTail,
  runs: z.array(claudeRun).optional(),
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
  if (view.outcome !== undefined) return outcomeOutput(view, view.outcome);
  if (view.result !== undefined) return runOutput(view.record, view.result);
  return { task_id: view.record.id, status: view.status, hint: howToFollow(view) };
}

/** The same of one run, as if it were the only one of its task. */
export function runOutput({ id, kind }: TaskRecord, result: RunResult): TaskOutput {
  const head = { task_id: id, status: result.status, success: result.status === 'succeeded' };
  return kind === 'code'
    ? { ...head, ...codeEnd(result), ...commonEnd(id, result), sandbox: result.sandbox }
    : { ...head, ...claudeEnd(result.claude), ...gitOf(result), ...commonEnd(id, result) };
}

function gitOf({ git }: RunResult) {
  return git === undefined ? {} : { git: gitEnd(git) };
}

/** Of several runs together; what only one program can say stands in `runs`. */
function outcomeOutput({ record: { id, kind }, status }: TaskView, outcome: TaskOutcome): TaskOutput {
  const decisive = outcome.runs.find((each) => each.error !== undefined && each.status === status);
  const common = {
    ...{ task_id: id, status, success: status === 'succeeded' },
    ...(decisive?.error === undefined ? {} : { error: errorOfRun(decisive.run, decisive.error) }),
    artifacts: outcome.artifacts.map(({ run, ...artifact }) => ({ run, ...artifactEnd(id, run, artifact) })),
    ...(outcome.artifactsLeftOut === 0 ? {} : { artifacts_left_out: outcome.artifactsLeftOut }),
    duration_ms: outcome.durationMs,
  };
  if (kind === 'code') return { ...common, sandbox: outcome.sandbox, runs: outcome.runs.map(codeRunEnd) };
  const { usage = noUsage, costUsd = null } = outcome;
  return { ...common, usage: usageEnd(usage), cost_usd: costUsd, runs: outcome.runs.map(claudeRunEnd) };
}

function errorOfRun(run: number, error: RunError) {
  const { message, ...rest } = errorEnd(error);
  return { ...rest, message: `Run ${run}: ${message}` };
}

function runHeadEnd({ run, status, error }: RunSummary) {
  const head = { run, status, success: status === 'succeeded' };
  return error === undefined ? head : { ...head, error: errorEnd(error) };
}

function codeRunEnd(summary: RunSummary): z.infer<typeof codeRun> {
  return { ...runHeadEnd(summary), exit_code: summary.exitCode, stdout: cleanText(summary.text) };
}

function claudeRunEnd(summary: RunSummary): z.infer<typeof claudeRun> {
  return { ...runHeadEnd(summary), cost_usd: summary.costUsd ?? null, response: cleanText(summary.text) };
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

function howToFollow({ record: { id, runs }, status, runsEnded, trouble }: TaskView): string {
  const state = status === 'queued' ? 'waits for a free place' : 'still runs';
  const count = runs === 1 ? '' : `, ${runsEnded} of its ${runs} runs have ended`;
  const how = 'follow it with get_task_logs (wait_seconds waits for its end), stop it with cancel_task.';
  const unless = trouble === undefined ? '' : ` Should its runner be lost, nobody would know: ${trouble}`;
  return `${id} ${state}${count}; ${how}${unless}`;
}

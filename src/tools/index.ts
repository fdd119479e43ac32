import { cancelTask } from './cancel-task.ts';
import type { Tool } from './define-tool.ts';
import { executeCode } from './execute-code.ts';
import { getTaskLogs } from './get-task-logs.ts';
import { githubCreateIssue } from './github-create-issue.ts';
import { listTasks } from './list-tasks.ts';
import { readArtifact } from './read-artifact.ts';
import { runClaudeTask } from './run-claude-task.ts';
import type { ToolServices } from './services.ts';

export type { Call, Tool, ToolAnswer } from './define-tool.ts';
export type { CallerPolicy, ToolServices } from './services.ts';

/** Every tool, in the order in which clients see them. */
export const tools: readonly Tool<ToolServices>[] = [
  executeCode,
  runClaudeTask,
  getTaskLogs,
  readArtifact,
  cancelTask,
  listTasks,
  githubCreateIssue,
];

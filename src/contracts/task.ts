import { z } from 'zod';
import { artifact } from './artifact.ts';
import { claudeConfig } from './claude-config.ts';
import { errorCodes } from './errors.ts';
import { taskId } from './ids.ts';
import { prices } from './prices.ts';
import { gitResult, repositorySpec } from './repository.ts';
import { sealedCallback } from './webhook.ts';

/** The nouns of a task as they lie in the store. */

export const taskKind = z.enum(['code', 'claude']);
export type TaskKind = z.infer<typeof taskKind>;

export const runStatus = z.enum(['succeeded', 'failed', 'timed_out', 'cancelled']);
export type RunStatus = z.infer<typeof runStatus>;

export const taskStatus = z.enum(['queued', 'running', ...runStatus.options]);
export type TaskStatus = z.infer<typeof taskStatus>;

export const size = z.enum(['small', 'medium', 'large']);

/** `task.json`: the public record, an allow-list. Nothing private is ever added here. */
export const taskRecord = z.strictObject({
  id: taskId,
  kind: taskKind,
  owner: z.string(),
  backend: z.string(),
  runs: z.int().min(1),
  size,
  timeoutSeconds: z.int().min(1),
  createdAt: z.iso.datetime(),
  metadata: z.record(z.string(), z.json()).optional(),
});
export type TaskRecord = z.infer<typeof taskRecord>;

/** A file that the caller gave inline. `path` is relative to the working directory and cannot climb out of it. */
export const inlineFile = z.strictObject({
  path: z.string(),
  content: z.string(),
  encoding: z.enum(['utf-8', 'base64']),
});
export type InlineFile = z.infer<typeof inlineFile>;

export const language = z.enum(['python', 'javascript', 'typescript', 'bash']);
export type Language = z.infer<typeof language>;

/** Hosts that the program may reach, as `contracts/hosts.ts` reads them; none where not given. */
const allowedDomains = z.array(z.string()).optional();

/** Added where the task is sealed, of a task whose runner tells its end. */
const callback = sealedCallback.optional();

export const codeSpec = z.strictObject({
  kind: z.literal('code'),
  language,
  code: z.string(),
  files: z.array(inlineFile),
  stdin: z.string(),
  args: z.array(z.string()),
  env: z.record(z.string(), z.string()),
  allowedDomains,
  callback,
});
export type CodeSpec = z.infer<typeof codeSpec>;

/** How the gateway reaches the model. Never seen inside the wall. */
export const modelEndpoint = z.strictObject({
  baseUrl: z.url(),
  credential: z.strictObject({ kind: z.enum(['api_key', 'oauth_token']), value: z.string().min(1) }),
});
export type ModelEndpoint = z.infer<typeof modelEndpoint>;

export const permissionMode = z.enum(['acceptEdits', 'bypassPermissions', 'default', 'dontAsk', 'plan']);

export const claudeSpec = z.strictObject({
  kind: z.literal('claude'),
  prompt: z.string(),
  model: z.string().optional(),
  fallbackModel: z.string().optional(),
  systemPrompt: z.string().optional(),
  appendSystemPrompt: z.string().optional(),
  allowedTools: z.array(z.string()).optional(),
  disallowedTools: z.array(z.string()).optional(),
  permissionMode,
  maxTurns: z.int().min(1).optional(),
  /** Of one run, as the gateway counts. */
  maxBudgetUsd: z.number().positive().optional(),
  /** A JSON Schema, checked against its meta-schema at submit. */
  outputSchema: z.record(z.string(), z.json()).optional(),
  config: claudeConfig.optional(),
  /** The earlier task whose conversation this one goes on with. */
  resumes: taskId.optional(),
  /** That conversation, once it was read: as `contracts/conversation.ts` says, with a line break at its end. */
  earlier: z.string().optional(),
  files: z.array(inlineFile),
  /** What lies below `input/`: where it comes from where a task is submitted, `sha256:HEX` where it is sealed. */
  inputs: z.array(z.strictObject({ name: z.string(), from: z.string() })).optional(),
  env: z.record(z.string(), z.string()),
  /** Variables as `env`: references of secrets where a task is submitted, their values where it is sealed. */
  secrets: z.record(z.string(), z.string()).optional(),
  allowedDomains,
  /** Its root is the working directory. */
  repo: repositorySpec.optional(),
  /** Before Claude, and after a Claude that ended well. */
  setupCommands: z.array(z.string()),
  finishCommands: z.array(z.string()).optional(),
  /** Globs of artifacts besides everything below `output/`. */
  artifacts: z.array(z.string()),
  endpoint: modelEndpoint,
  /** The operator's, added where the task is sealed; those of the package where not given. */
  prices: prices.optional(),
  callback,
});
export type ClaudeSpec = z.infer<typeof claudeSpec>;

/** `sealed/{task}`: all that a runner needs and nobody else may read. */
export const taskSpec = z.discriminatedUnion('kind', [codeSpec, claudeSpec]);
export type TaskSpec = z.infer<typeof taskSpec>;

/** How a backend calls a runner; only that backend reads it. */
export const handle = z.record(z.string(), z.union([z.string(), z.number()]));
export type Handle = z.infer<typeof handle>;

/** `claims/{n}`: the run belongs to this writer. A server that settles an unclaimed run has no handle. */
export const claim = z.object({ writer: z.string(), at: z.iso.datetime(), handle: handle.optional() });
export type Claim = z.infer<typeof claim>;

/** `launches/{k}`: who tried to launch. */
export const launch = z.object({ at: z.iso.datetime(), by: z.string() });

export const runError = z.object({
  code: z.enum(errorCodes),
  /** The language's own name of it, such as `ZeroDivisionError`. */
  type: z.string().optional(),
  message: z.string(),
  line: z.int().optional(),
});
export type RunError = z.infer<typeof runError>;

/** As the gateway counted, in tokens. */
export const usage = z.object({
  inputTokens: z.int(),
  outputTokens: z.int(),
  cacheCreationInputTokens: z.int(),
  cacheReadInputTokens: z.int(),
});
export type Usage = z.infer<typeof usage>;

export const noUsage: Usage = { inputTokens: 0, outputTokens: 0, cacheCreationInputTokens: 0, cacheReadInputTokens: 0 };

export const claudeResult = z.object({
  /** Claude's answer alone. */
  response: z.string(),
  structuredOutput: z.json().optional(),
  numTurns: z.int(),
  usage,
  /** Null where a model without a known price was used. */
  costUsd: z.number().nullable(),
  permissionDenials: z.array(z.json()),
  sessionId: z.string(),
});
export type ClaudeResult = z.infer<typeof claudeResult>;

/** Of a run that never began: nothing was said, and it is known that nothing was spent. */
export const neverBegun: ClaudeResult = {
  response: '',
  numTurns: 0,
  usage: noUsage,
  costUsd: 0,
  permissionDenials: [],
  sessionId: '',
};

export const sandboxReport = z.object({
  technology: z.enum(['bubblewrap', 'container', 'cloud-run-launcher', 'none']),
  network: z.enum(['none', 'gateway']),
});
export type SandboxReport = z.infer<typeof sandboxReport>;

/** `results/{n}.json`: the one truth about the end of a run. */
export const runResult = z.object({
  run: z.int().min(0),
  status: runStatus,
  /** Null where no program ended by itself. */
  exitCode: z.int().nullable(),
  error: runError.optional(),
  stdout: z.string(),
  stderr: z.string(),
  /** Stdout or stderr was longer than a result holds; the whole of it is in the events. */
  truncated: z.boolean(),
  artifacts: z.array(artifact),
  startedAt: z.iso.datetime(),
  durationMs: z.number(),
  sandbox: sandboxReport,
  claude: claudeResult.optional(),
  git: gitResult.optional(),
});
export type RunResult = z.infer<typeof runResult>;

/** Of the runs of a Claude task together; `costUsd` is null where that of one is not known. */
const spent = { costUsd: z.number().nullable().optional(), usage: usage.optional() };

/** `end`: written once by the first server that sees all results. */
export const taskEnd = z.object({
  status: runStatus,
  at: z.iso.datetime(),
  counts: z.record(runStatus, z.int()),
  ...spent,
});
export type TaskEnd = z.infer<typeof taskEnd>;

/** What the output of a task with several runs tells of one of them. Its texts are clean and cut. */
export const runSummary = z.object({
  run: z.int().min(0),
  status: runStatus,
  exitCode: z.int().nullable(),
  error: runError.optional(),
  costUsd: z.number().nullable().optional(),
  /** Stdout of code, Claude's response. */
  text: z.string(),
});
export type RunSummary = z.infer<typeof runSummary>;

/** `outcome`: what a task with several runs came to, so that nobody reads all results twice. Written before `end`. */
export const taskOutcome = z.object({
  /** All, in order. */
  runs: z.array(runSummary),
  /** As many as an output holds, in the order of the runs. */
  artifacts: z.array(artifact.omit({ text: true }).extend({ run: z.int().min(0) })),
  artifactsLeftOut: z.int(),
  /** From the start of the first run to the end of the last. */
  durationMs: z.number(),
  sandbox: sandboxReport,
  ...spent,
});
export type TaskOutcome = z.infer<typeof taskOutcome>;

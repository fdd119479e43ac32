import { z } from 'zod';
import { type Artifact, artifactUri } from './artifact.ts';
import { cleanJson, cleanText } from './clean-text.ts';
import type { TaskId } from './ids.ts';
import type { GitResult } from './repository.ts';
import { type ClaudeResult, neverBegun, type RunError, type RunResult, type Usage } from './task.ts';

/** The parts that outputs of tasks are made of: their schemas, and how each is told. Untrusted text is cleaned here. */

export const artifactOutput = z.object({
  /** Where the task has several. */
  run: z.int().optional(),
  path: z.string(),
  size_bytes: z.int(),
  sha256: z.string(),
  mime_type: z.string(),
  uri: z.string(),
  text: z.string().optional(),
});

export const errorOutput = z.object({
  code: z.string(),
  type: z.string().optional(),
  message: z.string(),
  line: z.int().optional(),
});

export const usageOutput = z.object({
  input_tokens: z.int(),
  output_tokens: z.int(),
  cache_creation_input_tokens: z.int(),
  cache_read_input_tokens: z.int(),
});

export const gitOutput = z.object({
  sha: z.string(),
  branch: z.string().optional(),
  pushed: z.boolean(),
  diff_stat: z.object({ files: z.int(), insertions: z.int(), deletions: z.int() }).optional(),
});

export function gitEnd({ sha, branch, pushed, diffStat }: GitResult): z.infer<typeof gitOutput> {
  return {
    sha,
    ...(branch === undefined ? {} : { branch }),
    pushed,
    ...(diffStat === undefined ? {} : { diff_stat: diffStat }),
  };
}

export function codeEnd(result: RunResult) {
  return {
    exit_code: result.exitCode,
    stdout: cleanText(result.stdout),
    stderr: cleanText(result.stderr),
    ...(result.truncated ? { truncated: true } : {}),
  };
}

export function commonEnd(id: TaskId, result: RunResult) {
  return {
    ...(result.error === undefined ? {} : { error: errorEnd(result.error) }),
    artifacts: artifactsEnd(id, result),
    duration_ms: result.durationMs,
  };
}

export function errorEnd({ code, type, message, line }: RunError) {
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

export function artifactEnd(id: TaskId, run: number, artifact: Artifact): z.infer<typeof artifactOutput> {
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
const nothingSaid: ClaudeResult = { ...neverBegun, costUsd: null };

export function claudeEnd(claude: ClaudeResult = nothingSaid) {
  return {
    response: cleanText(claude.response),
    ...(claude.structuredOutput === undefined ? {} : { structured_output: cleanJson(claude.structuredOutput) }),
    num_turns: claude.numTurns,
    usage: usageEnd(claude.usage),
    cost_usd: claude.costUsd,
    permission_denials: claude.permissionDenials.map(cleanJson),
    session_id: cleanText(claude.sessionId),
  };
}

export function usageEnd(usage: Usage) {
  return {
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cache_creation_input_tokens: usage.cacheCreationInputTokens,
    cache_read_input_tokens: usage.cacheReadInputTokens,
  };
}

import type { ClaudeOutput, CodeOutput, TaskOutput } from '../contracts/task-output.ts';
import { quoteUntrusted } from './quote-untrusted.ts';
import { tellRuns } from './tell-runs.ts';

/** The words in which an answer is told to a model: what happened, what was printed, what to do next. */

export function tellCode(output: CodeOutput): string {
  if (output.hint !== undefined) return output.hint;
  if (output.runs !== undefined) return tellRuns({ ...output, runs: output.runs }) + tellArtifacts(output);
  return (
    headline(output, output.exit_code) +
    quoteUntrusted('stdout', output.stdout) +
    quoteUntrusted('stderr', output.stderr) +
    quoteUntrusted('error', tellError(output)) +
    tellArtifacts(output)
  );
}

export function tellClaude(output: ClaudeOutput): string {
  if (output.hint !== undefined) return output.hint;
  if (output.runs !== undefined) return tellRuns({ ...output, runs: output.runs }) + tellArtifacts(output);
  const structured = output.structured_output === undefined ? undefined : JSON.stringify(output.structured_output);
  return (
    headline(output, undefined) +
    tellGit(output) +
    quoteUntrusted('response', output.response) +
    quoteUntrusted('structured_output', structured) +
    quoteUntrusted('error', tellError(output)) +
    tellArtifacts(output)
  );
}

function headline({ task_id, status, error, duration_ms }: TaskOutput, exitCode: number | null | undefined): string {
  const seconds = duration_ms === undefined ? '' : ` after ${(duration_ms / 1000).toFixed(1)} s`;
  const code = typeof exitCode === 'number' ? `, exit code ${exitCode}` : '';
  const why = error === undefined ? '' : `, ${error.code}`;
  return `${task_id} ${status}${why}${code}${seconds}.`;
}

function tellError({ error }: TaskOutput): string | undefined {
  if (error === undefined) return undefined;
  const where = error.line === undefined ? '' : ` (line ${error.line})`;
  return `${error.type === undefined ? '' : `${error.type}: `}${error.message}${where}`;
}

function tellGit({ git }: ClaudeOutput): string {
  if (git === undefined) return '';
  const files = git.diff_stat === undefined ? '' : `, ${git.diff_stat.files} files changed`;
  const branch = git.branch === undefined ? '' : ` to ${git.branch}`;
  return `\nCommit ${git.sha}${git.pushed ? `, pushed${branch}` : ', not pushed'}${files}.`;
}

const artifactsTold = 20;

function tellArtifacts({ artifacts = [], artifacts_left_out = 0 }: TaskOutput): string {
  if (artifacts.length === 0) return '';
  const list = artifacts.slice(0, artifactsTold).map(({ run, path, size_bytes }) => {
    const whose = run === undefined ? '' : `run ${run}: `;
    return `${whose}${path} (${size_bytes} bytes)`;
  });
  const untold = artifacts.length - list.length + artifacts_left_out;
  const more = untold > 0 ? `\nand ${untold} more` : '';
  return `${quoteUntrusted('artifacts', list.join('\n') + more)}\nRead an artifact with read_artifact.`;
}

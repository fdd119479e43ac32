import { cleanText } from '../../contracts/clean-text.ts';
import { type WallEnd, wallPaths } from '../../contracts/sandbox.ts';
import type { ClaudeSpec, RunError, RunStatus, TaskRecord } from '../../contracts/task.ts';
import { statusOfEnd } from '../limits.ts';
import { wasDelivered } from './delivered.ts';
import { faultAgainst } from './judge.ts';
import type { ResultLine } from './stream.ts';

/** What is known of a run when nothing of it lives any more. */
export interface Evidence {
  readonly spec: ClaudeSpec;
  readonly task: TaskRecord;
  readonly end: WallEnd;
  readonly results: readonly (ResultLine | undefined)[];
  /** What the model said, as the gateway delivered it. */
  readonly delivered: readonly string[];
  /** The endpoint's last answer where it was a failure. */
  readonly lastFailure: string | undefined;
  /** Why the gateway refused calls, or cut answers short, for the run's budget. */
  readonly budgetReached?: string | undefined;
  readonly stderr: string;
}

export interface Verdict {
  readonly status: RunStatus;
  readonly error?: RunError;
  /** What claude said of itself at its end, where it said one thing. */
  readonly claim?: ResultLine;
  /** The answer, where the gateway delivered it; its shape is right only in a run that succeeded. */
  readonly answer?: { readonly response: string; readonly structuredOutput?: Json };
}

type Json = NonNullable<ResultLine['structured_output']>;

/**
 * A run of claude succeeded only if it exited 0 with exactly one result that is no error and whose answer the gateway
 * delivered, and which fits the schema where there is one.
 */
export async function verdictOn(evidence: Evidence): Promise<Verdict> {
  const { end, task, lastFailure } = evidence;
  const { status, error } = statusOfEnd(end, task);
  if (error !== undefined) return { status, error: withFailure(error, lastFailure) };
  if (end.lastStep < evidence.spec.setupCommands.length) return failed(setupFailed(evidence));
  const [result, ...others] = evidence.results;
  if (evidence.budgetReached !== undefined && (result === undefined || result.is_error || end.exitCode !== 0)) {
    return { ...failed('budget_exceeded', evidence.budgetReached), ...(result === undefined ? {} : { claim: result }) };
  }
  if (others.length > 0) return failed('model_error', 'Claude gave more than one result, so none of them is believed.');
  if (result === undefined) return failed(withoutResult(evidence));
  const fault = faultOf(evidence, result);
  if (fault !== undefined) return { ...failed(fault), claim: result };
  const outputFault = await outputFaultOf(evidence, result);
  if (outputFault !== undefined) return { ...failed(outputFault), claim: result, answer: answerOf(result) };
  return { status: 'succeeded', claim: result, answer: answerOf(result) };
}

// --- Internal helpers ---

function failed(code: RunError | RunError['code'], message = ''): Verdict {
  return { status: 'failed', error: typeof code === 'string' ? { code, message } : code };
}

/** A run that ends while the endpoint is failing names the endpoint's last answer, whatever its code. */
function withFailure(error: RunError, lastFailure: string | undefined): RunError {
  return lastFailure === undefined ? error : { ...error, message: `${error.message} ${lastFailure}` };
}

function setupFailed({ spec, end }: Evidence): RunError {
  const command = spec.setupCommands[end.lastStep] ?? '';
  return { code: 'command_failed', message: `\`${short(command)}\` ended with exit ${end.exitCode}` };
}

function withoutResult({ end, lastFailure, stderr }: Evidence): RunError {
  if (lastFailure !== undefined) return { code: 'model_error', message: lastFailure };
  if (end.exitCode === notFound && stderr.includes(wallPaths.claude)) return noClaude;
  const lastLine = cleanText(stderr).trim().split('\n').at(-1) ?? '';
  const said = lastLine === '' ? '' : `: ${short(lastLine)}`;
  return { code: 'command_failed', message: `Claude ended with exit ${end.exitCode} and without a result${said}` };
}

/** What a shell exits with where there is no such program. */
const notFound = 127;
const noClaude: RunError = {
  code: 'sandbox_unavailable',
  message:
    'There is no claude program in this sandbox. Install Claude Code where the runner is, or set RUNYARD_CLAUDE_PATH.',
};

function faultOf({ spec, end, delivered, lastFailure }: Evidence, result: ResultLine): RunError | undefined {
  if (result.subtype === 'error_max_turns') {
    return { code: 'max_turns', message: `Claude reached its limit of ${spec.maxTurns ?? result.num_turns} turns.` };
  }
  if (result.is_error) {
    const said = short(result.errors?.[0] ?? result.result ?? result.subtype);
    return { code: 'model_error', message: `${lastFailure ?? 'Claude ended with an error.'} Claude said: ${said}` };
  }
  if (end.exitCode !== 0) return { code: 'command_failed', message: `Claude ended with exit ${end.exitCode}` };
  const answers = [result.result ?? '', ...(result.structured_output === undefined ? [] : [result.structured_output])];
  if (answers.every((answer) => wasDelivered(answer, delivered))) return undefined;
  return withFailure(
    { code: 'model_error', message: 'The answer is none that the model gave in this run.' },
    lastFailure,
  );
}

async function outputFaultOf({ spec }: Evidence, result: ResultLine): Promise<RunError | undefined> {
  if (spec.outputSchema === undefined) return undefined;
  if (result.structured_output === undefined) {
    return { code: 'output_invalid', message: 'Claude gave no structured output.' };
  }
  const fault = await faultAgainst(spec.outputSchema, result.structured_output);
  return fault === null
    ? undefined
    : { code: 'output_invalid', message: `The structured output does not fit output_schema: ${fault}` };
}

function answerOf({ result = '', structured_output }: ResultLine): NonNullable<Verdict['answer']> {
  const structured = structured_output ?? undefined;
  return { response: result, ...(structured === undefined ? {} : { structuredOutput: structured }) };
}

function short(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > textCharsMax ? `${line.slice(0, textCharsMax)}…` : line;
}

const textCharsMax = 200;

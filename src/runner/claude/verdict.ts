import { cleanText } from '../../contracts/clean-text.ts';
import { type WallEnd, wallPaths } from '../../contracts/sandbox.ts';
import type { ClaudeSpec, RunError, RunStatus, TaskRecord } from '../../contracts/task.ts';
import { statusOfEnd } from '../limits.ts';
import type { Overdue } from '../patience.ts';
import { commandAt, placeOfClaude } from './command-line.ts';
import { wasDelivered } from './delivered.ts';
import { faultAgainst } from './judge.ts';
import type { ResultLine } from './stream.ts';

/** What is known of a run when nothing of it lives any more. */
export interface Evidence {
  readonly spec: ClaudeSpec;
  readonly task: TaskRecord;
  readonly end: WallEnd;
  /** Why the last step was ended, where its own patience was at its end. */
  readonly overdue?: Overdue | undefined;
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
  /** The answer, where the gateway delivered it; with its structured part only where that fits the schema. */
  readonly answer?: { readonly response: string; readonly structuredOutput?: Json };
}

type Json = NonNullable<ResultLine['structured_output']>;

/**
 * A run of claude succeeded only if claude exited with 0 and exactly one result that is no error, whose answer the gateway
 * delivered and which fits the schema where there is one, and if every command before and after it exited with 0. What
 * claude has answered is kept whatever follows it.
 */
export async function verdictOn(evidence: Evidence): Promise<Verdict> {
  const { end, spec, lastFailure } = evidence;
  const claude = placeOfClaude(spec);
  const { status, error } = stoppedFor(evidence);
  if (end.lastStep <= claude && error !== undefined) return { status, error: withFailure(error, lastFailure) };
  if (end.lastStep < claude) return failed(commandFailed(evidence));
  const own = await verdictOnClaude(evidence, end.lastStep === claude ? end.exitCode : 0);
  if (error !== undefined) return { ...own, status, error };
  if (own.status !== 'succeeded' || end.lastStep === claude || end.exitCode === 0) return own;
  return { ...own, ...failed(commandFailed(evidence)) };
}

// --- Internal helpers ---

/** Of a claude that exited by itself. */
async function verdictOnClaude(evidence: Evidence, exitCode: number | null): Promise<Verdict> {
  const [result, ...others] = evidence.results;
  if (evidence.budgetReached !== undefined && (result === undefined || result.is_error || exitCode !== 0)) {
    return { ...failed('budget_exceeded', evidence.budgetReached), ...(result === undefined ? {} : { claim: result }) };
  }
  if (others.length > 0) return failed('model_error', 'Claude gave more than one result, so none of them is believed.');
  if (result === undefined) return failed(withoutResult(evidence, exitCode));
  const fault = faultOf(evidence, result, exitCode);
  if (fault !== undefined) return { ...failed(fault), claim: result };
  const outputFault = await outputFaultOf(evidence, result);
  if (outputFault !== undefined) {
    return { ...failed(outputFault), claim: result, answer: { response: result.result ?? '' } };
  }
  return { status: 'succeeded', claim: result, answer: answerOf(result) };
}

/** How the run ends where its last step was ended from outside; no error where that one exited by itself. */
function stoppedFor({ spec, task, end, overdue }: Evidence): { status: RunStatus; error?: RunError } {
  if (overdue === undefined) return statusOfEnd(end, task);
  const after = timeOf(overdue.afterMs);
  if (overdue.why === 'was silent') {
    const message = `Claude said nothing for ${after}, which is the limit, and was stopped.`;
    return { status: 'timed_out', error: { code: 'timed_out', message } };
  }
  const message = `\`${short(commandAt(spec, end.lastStep) ?? '')}\` took longer than ${after}, which is the limit, and was stopped.`;
  return { status: 'failed', error: { code: 'command_failed', message } };
}

function timeOf(ms: number): string {
  return ms < 60_000 ? `${ms / 1000} s` : `${ms / 60_000} minutes`;
}

function failed(code: RunError | RunError['code'], message = ''): Verdict {
  return { status: 'failed', error: typeof code === 'string' ? { code, message } : code };
}

/** A run that ends while the endpoint is failing names the endpoint's last answer, whatever its code. */
function withFailure(error: RunError, lastFailure: string | undefined): RunError {
  return lastFailure === undefined ? error : { ...error, message: `${error.message} ${lastFailure}` };
}

function commandFailed({ spec, end }: Evidence): RunError {
  const command = commandAt(spec, end.lastStep) ?? '';
  return { code: 'command_failed', message: `\`${short(command)}\` ended with exit ${end.exitCode}` };
}

function withoutResult({ lastFailure, stderr }: Evidence, exitCode: number | null): RunError {
  if (lastFailure !== undefined) return { code: 'model_error', message: lastFailure };
  if (exitCode === notFound && stderr.includes(wallPaths.claude)) return noClaude;
  const lastLine = cleanText(stderr).trim().split('\n').at(-1) ?? '';
  const said = lastLine === '' ? '' : `: ${short(lastLine)}`;
  return { code: 'command_failed', message: `Claude ended with exit ${exitCode} and without a result${said}` };
}

/** What a shell exits with where there is no such program. */
const notFound = 127;
const noClaude: RunError = {
  code: 'sandbox_unavailable',
  message:
    'There is no claude program in this sandbox. Install Claude Code where the runner is, or set RUNYARD_CLAUDE_PATH.',
};

function faultOf(
  { spec, delivered, lastFailure }: Evidence,
  result: ResultLine,
  exitCode: number | null,
): RunError | undefined {
  if (result.subtype === 'error_max_turns') {
    return { code: 'max_turns', message: `Claude reached its limit of ${spec.maxTurns ?? result.num_turns} turns.` };
  }
  if (result.is_error) {
    const said = short(result.errors?.[0] ?? result.result ?? result.subtype);
    return { code: 'model_error', message: `${lastFailure ?? 'Claude ended with an error.'} Claude said: ${said}` };
  }
  if (exitCode !== 0) return { code: 'command_failed', message: `Claude ended with exit ${exitCode}` };
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

import { transcriptPath } from '../../contracts/conversation.ts';
import type { Gateway } from '../../contracts/gateway.ts';
import { patchPath } from '../../contracts/repository.ts';
import type { CollectOptions } from '../../contracts/sandbox.ts';
import type { ClaudeResult, ClaudeSpec, RunError } from '../../contracts/task.ts';
import { placed, runVariables } from '../code/run-code.ts';
import type { RepositoryRun } from '../git/repository-run.ts';
import { inputsLayer } from '../inputs.ts';
import { hostRules, proxyVariables } from '../outside.ts';
import { stackOf } from '../program-layer.ts';
import type { RunContext, RunOutcome } from '../run-context.ts';
import { runInWall } from '../wall-job.ts';
import { claudeProgram, patienceWith, placeOfClaude } from './command-line.ts';
import { pathsMatching } from './judge.ts';
import { secretMcpServers } from './mcp-servers.ts';
import { onRepository, withCommit } from './on-repository.ts';
import { createClaudeStream } from './stream.ts';
import { createTranscript, withTranscript } from './transcript.ts';
import { type Verdict, verdictOn } from './verdict.ts';

/** Runs one prompt with Claude Code behind a gateway of its own. Its working directory is the workspace. */
export async function runClaude(spec: ClaudeSpec, context: RunContext): Promise<RunOutcome> {
  const gateway = await context.openGateway({
    endpoint: spec.endpoint,
    prices: spec.prices,
    hosts: hostRules(spec.allowedDomains),
    mcpServers: secretMcpServers(spec.config?.mcpServers),
    ...(spec.maxBudgetUsd === undefined ? {} : { maxBudgetUsd: spec.maxBudgetUsd }),
    onDenied: (denial) => context.events.data('denied', denial),
  });
  try {
    if (spec.repo === undefined) return await runBehind(gateway, spec, context);
    return await onRepository(spec.repo, context, (repository) => runBehind(gateway, spec, context, repository));
  } finally {
    await gateway.close();
  }
}

// --- Internal helpers ---

async function runBehind(
  gateway: Gateway,
  spec: ClaudeSpec,
  context: RunContext,
  repository?: RepositoryRun,
): Promise<RunOutcome> {
  const transcript = createTranscript();
  const stream = createClaudeStream(context.events, transcript.add);
  const layers = stackOf([
    ...(spec.inputs === undefined ? [] : [inputsLayer(spec.inputs, context)]),
    ...(repository === undefined ? [] : [repository]),
  ]);
  const files = spec.files.map(placed);
  const program = claudeProgram(spec, gateway.placeholderKey, {
    ...runVariables(context),
    ...proxyVariables(hostRules(spec.allowedDomains), gateway.placeholderKey),
  });
  const job = await runInWall(
    {
      files: repository?.files(files) ?? files,
      ...(repository === undefined ? {} : { takeFile: repository.take }),
      furnish: layers.lay,
      program: layers.around(program),
      door: gateway.serve,
      takeStdout: { step: placeOfClaude(spec) + layers.stepsBefore, take: stream.take },
      patience: (step) => patienceWith(spec, step - layers.stepsBefore, context.patience),
      ...(spec.artifacts.length === 0 ? {} : { select: selectBy(spec, context) }),
    },
    context,
  );
  stream.end();
  const { artifacts, fault } = await withTranscript(job.artifacts, transcript, context);
  const { end, error: beforeIt } = layers.endOfProgram(job.end, job.stderr);
  const verdict =
    beforeIt === undefined
      ? withFault(
          job.fault ?? fault,
          await verdictOn({
            spec,
            task: context.task,
            end,
            overdue: job.overdue,
            results: stream.results,
            delivered: gateway.delivered(),
            lastFailure: gateway.lastFailure(),
            budgetReached: gateway.budgetReached(),
            stderr: job.stderr,
          }),
        )
      : ({ status: 'failed', error: beforeIt } as const);
  const claude = claudeResultOf(verdict, gateway);
  context.events.data('usage', { ...claude.usage, costUsd: claude.costUsd });
  const outcome: RunOutcome = {
    status: verdict.status,
    exitCode: end.exitCode,
    ...(verdict.error === undefined ? {} : { error: verdict.error }),
    stdout: job.stdout,
    stderr: job.stderr,
    truncated: job.truncated,
    artifacts,
    sandbox: { technology: context.sandbox.technology, network: 'gateway' },
    claude,
  };
  return withCommit(outcome, repository, context);
}

/** An answer whose artifacts are lost is no success; one that is none already has its reason. */
function withFault(fault: RunError | undefined, verdict: Verdict): Verdict {
  return fault === undefined || verdict.status !== 'succeeded'
    ? verdict
    : { ...verdict, status: 'failed', error: fault };
}

/** Everything below `output/`, and what the caller's globs match besides. */
function selectBy({ artifacts, repo }: ClaudeSpec, { events }: RunContext): NonNullable<CollectOptions['select']> {
  const own = [transcriptPath, ...(repo?.commit === undefined ? [] : [patchPath])];
  return async (paths) => {
    const matching = await pathsMatching(artifacts, paths);
    if (typeof matching === 'string') events.note('phase', `the artifacts' globs were not used: ${matching}`);
    const chosen = new Set(typeof matching === 'string' ? [] : matching);
    for (const path of own.filter((each) => chosen.delete(each))) {
      events.note('phase', `${path} of the working directory was not kept: that name is Runyard's own`);
    }
    return paths.filter((path) => path.startsWith('output/') || chosen.has(path));
  };
}

/** What was spent is the gateway's count, the answer is delivered by it; the rest is claude's own word. */
function claudeResultOf({ claim, answer }: Verdict, gateway: Gateway): ClaudeResult {
  const { usage, costUsd } = gateway.spent();
  const structured = answer?.structuredOutput;
  return {
    response: answer?.response ?? '',
    ...(structured === undefined ? {} : { structuredOutput: structured }),
    numTurns: claim?.num_turns ?? 0,
    usage,
    costUsd,
    permissionDenials: firstThatFit(claim?.permission_denials ?? []),
    sessionId: claim?.session_id ?? '',
  };
}

/** A denial repeats what the tool was to do, and that can be a whole file. */
const denialsBytesMax = 32 * 1024;

function firstThatFit<T>(denials: readonly T[]): T[] {
  let bytes = 0;
  return denials.filter((denial) => {
    bytes += JSON.stringify(denial).length;
    return bytes <= denialsBytesMax;
  });
}

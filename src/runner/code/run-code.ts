import type { Gateway } from '../../contracts/gateway.ts';
import { mainFiles } from '../../contracts/main-files.ts';
import type { PlacedFile } from '../../contracts/sandbox.ts';
import type { CodeSpec, InlineFile, RunError } from '../../contracts/task.ts';
import { statusOfEnd } from '../limits.ts';
import { hostRules, proxyVariables } from '../outside.ts';
import type { RunContext, RunOutcome } from '../run-context.ts';
import { runInWall } from '../wall-job.ts';
import { errorOf } from './error-of.ts';
import { runtimeOf } from './languages.ts';

/** Runs one program of one of our languages. Its working directory is the workspace, with the given files in it. */
export async function runCode(spec: CodeSpec, context: RunContext): Promise<RunOutcome> {
  const hosts = hostRules(spec.allowedDomains);
  if (hosts.length === 0) return runBehind(undefined, spec, context);
  const gateway = await context.openGateway({
    hosts,
    onDenied: (denial) => context.events.data('denied', denial),
  });
  try {
    return await runBehind(gateway, spec, context);
  } finally {
    await gateway.close();
  }
}

async function runBehind(gateway: Gateway | undefined, spec: CodeSpec, context: RunContext): Promise<RunOutcome> {
  const runtime = runtimeOf(spec.language);
  const proxy = gateway === undefined ? {} : proxyVariables(hostRules(spec.allowedDomains), gateway.placeholderKey);
  const job = await runInWall(
    {
      ...(gateway === undefined ? {} : { door: gateway.serve }),
      files: [{ path: mainFiles[spec.language], content: Buffer.from(spec.code) }, ...spec.files.map(placed)],
      program: {
        steps: [{ name: spec.language, argv: [...runtime.argv, ...spec.args] }],
        env: { ...runtime.env, ...runVariables(context), ...spec.env, ...proxy },
        stdin: Buffer.from(spec.stdin),
      },
    },
    context,
  );
  const { status, error: limitError } = statusOfEnd(job.end, context.task);
  const error: RunError | undefined =
    limitError ??
    (status === 'failed' ? errorOf(spec.language, job.end.exitCode ?? 1, job.stderr) : undefined) ??
    job.fault;
  return {
    status: job.fault !== undefined && status === 'succeeded' ? 'failed' : status,
    exitCode: job.end.exitCode,
    ...(error === undefined ? {} : { error }),
    stdout: job.stdout,
    stderr: job.stderr,
    truncated: job.truncated,
    artifacts: [...job.artifacts],
    sandbox: { technology: context.sandbox.technology, network: gateway === undefined ? 'none' : 'gateway' },
  };
}

export function placed(file: InlineFile): PlacedFile {
  return { path: file.path, content: Buffer.from(file.content, file.encoding === 'base64' ? 'base64' : 'utf8') };
}

/** Which run of how many this is. */
export function runVariables({ task, run }: RunContext): Record<string, string> {
  return { RUNYARD_RUN: String(run), RUNYARD_RUNS: String(task.runs) };
}

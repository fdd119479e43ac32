import { packageVersion } from '../app.ts';
import type { Config } from '../config.ts';
import type { Finding } from '../contracts/sandbox.ts';
import { closeInheritedDescriptors } from '../lib/descriptors.ts';
import { configOfProcess } from './config-of-process.ts';
import { type ApiName, endpointOf } from './deploy/google-rest.ts';
import type { TrialOptions } from './doctor/cloud/trial.ts';
import { isComplete } from './doctor/complete.ts';
import { githubFinding, modelFinding } from './doctor/credentials.ts';
import { promptFindings } from './doctor/default-prompt.ts';
import { lookAtHere } from './doctor/local.ts';
import { nodeFinding } from './doctor/programs.ts';
import { jsonOfReport, type Report, renderReport } from './doctor/render.ts';
import { secretFindings } from './doctor/secrets.ts';
import { noTrial } from './doctor/trial.ts';

/** Tells what is here, what is missing, what that would allow and how to bring it. Exit code 0: something can be run. */
export async function doctor(flags: readonly string[]): Promise<number> {
  // Whatever a shell left open here would stand open in the wall that is tried, which is refused for it.
  closeInheritedDescriptors();
  const config = configOfProcess(flags.filter((flag) => flag !== '--json'));
  const report = await examine(config, {
    endpointOf: (api) => endpointOf(config.cloud?.endpoints ?? {}, api),
    tell: (line) => void process.stderr.write(`${line}\n`),
    // Only what was started far away needs to be told of an end.
    signal: config.backend === 'cloud-run' ? interruption() : new AbortController().signal,
  });
  await print(flags.includes('--json') ? jsonOfReport(report) : renderReport(report, process.stdout));
  // What was given up may hang in its socket for minutes. Where nothing does, the process has ended by then.
  setTimeout(() => process.exit(), lingerMs).unref();
  return report.ok ? 0 : 1;
}

export interface Surroundings extends TrialOptions {
  readonly endpointOf: (api: ApiName) => string;
}

/** Everything about this configuration. What is configured beside the backend is looked at too, and decides nothing. */
export async function examine(config: Config, surroundings: Surroundings): Promise<Report> {
  const { backend, cloud } = config;
  const about = { version: packageVersion(), backend };
  const [secrets, prompt, own] = await Promise.all([
    secretFindings(config),
    promptFindings(config),
    examineBackend(config, surroundings),
  ]);
  const common = [modelFinding(config.model), githubFinding(config), ...secrets, ...prompt];
  const findings = [await nodeFinding(), ...own.findings, ...common];
  if (backend === 'cloud-run' || cloud === undefined) return { ...about, ok: own.ok, findings };
  const { lookAtCloud } = await import('./doctor/cloud/index.ts');
  const beside = await lookAtCloud(cloud, config, surroundings.endpointOf);
  const title = `Google Cloud, project ${cloud.project}, ${cloud.region} (RUNYARD_BACKEND=cloud-run would use it):`;
  return { ...about, ok: own.ok, findings, beside: { title, findings: beside.findings } };
}

interface Examined {
  readonly findings: readonly Finding[];
  readonly ok: boolean;
}

async function examineBackend(config: Config, surroundings: Surroundings): Promise<Examined> {
  const { backend, cloud } = config;
  if (backend === 'local' || cloud === undefined) return lookAtHere(config);
  const { cloudTrial, lookAtCloud } = await import('./doctor/cloud/index.ts');
  const { findings, canTry } = await lookAtCloud(cloud, config, surroundings.endpointOf);
  const trial = canTry ? await cloudTrial({ ...config, cloud }, surroundings) : [noTrial];
  return { findings: [...findings, ...trial], ok: isComplete(trial) };
}

const lingerMs = 1000;

function print(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}

function interruption(): AbortSignal {
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort());
  return interrupted.signal;
}

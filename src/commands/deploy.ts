import { requireCloudPlace } from '../config/cloud.ts';
import type { Config } from '../config.ts';
import { configOfProcess } from './config-of-process.ts';
import { readPackage } from './deploy/archive.ts';
import { carryOut } from './deploy/carry-out.ts';
import { type DeployFlags, readDeployFlags } from './deploy/flags.ts';
import {
  type ApiName,
  createGoogleRest,
  deployPatience,
  endpointOf,
  type GoogleRest,
  type Patience,
  planPatience,
} from './deploy/google-rest.ts';
import { handOn } from './deploy/handed-on.ts';
import type { Installation } from './deploy/installation.ts';
import { printPlan } from './deploy/plan.ts';
import { createPaper, type Paper } from './deploy/print.ts';
import { GoogleRefusal, type Obstacle } from './deploy/refusal.ts';
import { removeAll } from './deploy/remove.ts';
import { serviceExists } from './deploy/service.ts';
import { stepsOf } from './deploy/steps.ts';

/** From a project to a working installation, and again without harm. Exit code 1 where something is left to do. */
export async function deploy(flags: readonly string[]): Promise<number> {
  const said = readDeployFlags(flags);
  const config = configOfProcess(said.settings);
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort());
  return runDeploy(said, config, {
    paper: createPaper(process.stdout, (text) => void process.stdout.write(text)),
    signal: interrupted.signal,
    endpointOf: (api) => endpointOf(config.cloud?.endpoints ?? {}, api),
  });
}

export interface Surroundings {
  readonly paper: Paper;
  readonly signal: AbortSignal;
  readonly endpointOf: (api: ApiName) => string;
  /** In place of the usual one. */
  readonly patience?: Patience;
  /** Where the package lies that an image is built from; this very one where not given. */
  readonly packageRoot?: string;
}

/** The same for a configuration that was read. Throws SettingsError where no project and region are known. */
export async function runDeploy(flags: DeployFlags, config: Config, surroundings: Surroundings): Promise<number> {
  const { paper, signal, endpointOf, patience, packageRoot } = surroundings;
  const wanted = installationOf(flags, config);
  const rest = createGoogleRest({
    project: wanted.place.project,
    endpointOf,
    patience: patience ?? (flags.mode === 'plan' ? planPatience : deployPatience),
    signal,
    onSettling: () => paper.detail('waiting until all of Google knows what was just made ...'),
  });
  if (flags.mode === 'remove') {
    const whole: Installation = { ...wanted, withService: true };
    return removeAll({ steps: stepsOf(whole, rest, undefined), rest, paper, signal });
  }
  const withService = wanted.withService || (await isServed(wanted, rest, flags.mode));
  const installation: Installation = { ...wanted, withService, ...(withService ? { handedOn: handOn(config) } : {}) };
  const tell = (line: string) => paper.detail(line);
  const material = wanted.givenImage === undefined ? { files: readPackage(packageRoot), tell } : undefined;
  const steps = stepsOf(installation, rest, material);
  if (flags.mode === 'plan') return printPlan(installation, steps, paper);
  paper.line();
  paper.heading(`Runyard to project ${wanted.place.project}, ${wanted.place.region}`);
  const exitCode = await carryOut({ steps, rest, paper, signal });
  if (exitCode === 0) paper.detail(`Next: ${nextLine(installation)}`);
  return exitCode;
}

function installationOf({ image, service, network }: DeployFlags, config: Config): Installation {
  const place = config.cloud ?? requireCloudPlace({}, {});
  const promptSecret = promptSecretOf(config);
  return {
    place,
    retentionDays: config.retentionDays,
    secrets: config.secrets,
    givenImage: image,
    withService: service,
    network,
    ...(promptSecret === undefined ? {} : { promptSecret }),
  };
}

function promptSecretOf({ systemPrompt: prompt }: Config): string | undefined {
  const [, name] = prompt?.kind === 'secret' ? (/^secret-manager:(.+)$/.exec(prompt.reference) ?? []) : [];
  return name;
}

/** A service that was made once is kept up to date. What else is in the way, the first step says. */
async function isServed(wanted: Installation, rest: GoogleRest, mode: DeployFlags['mode']): Promise<boolean> {
  try {
    return await serviceExists(wanted, rest);
  } catch (error) {
    const final = mode === 'deploy' && error instanceof GoogleRefusal && hopeless.has(error.obstacle);
    if (final || !(error instanceof GoogleRefusal)) throw error;
    return false;
  }
}

/** No second request would find out more. */
const hopeless: ReadonlySet<Obstacle> = new Set(['credentials', 'unreachable']);

function nextLine({ place: { project, region } }: Installation): string {
  return `RUNYARD_BACKEND=cloud-run RUNYARD_PROJECT=${project} RUNYARD_REGION=${region} runyard doctor`;
}

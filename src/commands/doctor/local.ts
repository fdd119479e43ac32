import { claudeProgram } from '../../app/engines.ts';
import type { Config } from '../../config.ts';
import type { Finding } from '../../contracts/sandbox.ts';
import { probeSandbox } from '../../sandbox/detect.ts';
import { isComplete } from './complete.ts';
import { keyFinding, storeFinding, workFinding } from './places.ts';
import { claudeFinding, interpreterFindings } from './programs.ts';
import { noTrial, trialFinding } from './trial.ts';

export interface LocalLooks {
  readonly findings: readonly Finding[];
  /** Whether something can be run here. */
  readonly ok: boolean;
}

/** Everything that the backend `local` needs, and a program that truly ran. */
export async function lookAtHere(config: Config): Promise<LocalLooks> {
  const claudePath = claudeProgram(config);
  const [interpreters, claude, places] = await Promise.all([
    interpreterFindings(),
    claudeFinding(claudePath),
    Promise.all([storeFinding(config.home), workFinding(config.work), keyFinding(config.home)]),
  ]);
  const wall = isComplete(places) ? await wallFindings(config, claudePath) : [];
  const language = isComplete(interpreters.filter(({ subject }) => subject === 'python3')) ? 'python' : 'bash';
  const trial = isComplete([...places, ...wall]) ? await trialFinding(config, language) : noTrial;
  return { findings: [...places, ...wall, ...interpreters, trial, claude], ok: trial.state === 'ok' };
}

function wallFindings({ sandbox, work, image, home }: Config, claudePath: string | undefined): Promise<Finding[]> {
  const { K_SERVICE: service, CLOUD_RUN_JOB: job } = process.env;
  return probeSandbox(sandbox, {
    workDir: work,
    nodePath: process.execPath,
    ...(claudePath === undefined ? {} : { claudePath }),
    slots: 0,
    env: process.env,
    image,
    inCloudRun: service !== undefined || job !== undefined,
    hidden: [home],
  });
}

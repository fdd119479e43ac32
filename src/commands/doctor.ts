import { claudeProgram, packageVersion } from '../app.ts';
import type { Config } from '../config.ts';
import type { Finding } from '../contracts/sandbox.ts';
import { closeInheritedDescriptors } from '../lib/descriptors.ts';
import { probeSandbox } from '../sandbox/detect.ts';
import { configOfProcess } from './config-of-process.ts';
import { githubFinding, modelFinding } from './doctor/credentials.ts';
import { keyFinding, storeFinding, workFinding } from './doctor/places.ts';
import { claudeFinding, interpreterFindings, nodeFinding } from './doctor/programs.ts';
import { type Report, renderReport } from './doctor/render.ts';
import { noTrial, trialFinding } from './doctor/trial.ts';

/** Tells what is here, what is missing, what that would allow and how to bring it. Exit code 0: something can be run. */
export async function doctor(flags: readonly string[]): Promise<number> {
  // Whatever a shell left open here would stand open in the wall that is tried, which is refused for it.
  closeInheritedDescriptors();
  const config = configOfProcess(flags.filter((flag) => flag !== '--json'));
  const claudePath = claudeProgram(config);
  const [interpreters, claude, places] = await Promise.all([
    interpreterFindings(),
    claudeFinding(claudePath),
    Promise.all([storeFinding(config.home), workFinding(config.work), keyFinding(config.home)]),
  ]);
  const wall = isComplete(places) ? await wallFindings(config, claudePath) : [];
  const language = isComplete(interpreters.filter(({ subject }) => subject === 'python3')) ? 'python' : 'bash';
  const trial = isComplete([...places, ...wall]) ? await trialFinding(config, language) : noTrial;
  const report: Report = {
    version: packageVersion(),
    backend: config.backend,
    ok: trial.state === 'ok',
    findings: [
      nodeFinding(),
      ...places,
      ...wall,
      ...interpreters,
      trial,
      claude,
      modelFinding(config.model),
      githubFinding(config),
    ],
  };
  process.stdout.write(
    flags.includes('--json') ? `${JSON.stringify(report, undefined, 2)}\n` : renderReport(report, process.stdout),
  );
  return report.ok ? 0 : 1;
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

function isComplete(findings: readonly Finding[]): boolean {
  return findings.every(({ state }) => state !== 'missing');
}

import { claudeProgram, packageVersion } from '../app.ts';
import type { Finding } from '../contracts/sandbox.ts';
import { configOfProcess } from './config-of-process.ts';
import { githubFinding, modelFinding } from './doctor/credentials.ts';
import { keyFinding, storeFinding, workFinding } from './doctor/places.ts';
import { claudeFinding, interpreterFindings, nodeFinding } from './doctor/programs.ts';
import { type Report, renderReport } from './doctor/render.ts';
import { noTrial, trialFinding } from './doctor/trial.ts';

/** Tells what is here, what is missing, what that would allow and how to bring it. Exit code 0: something can be run. */
export async function doctor(flags: readonly string[]): Promise<number> {
  const config = configOfProcess(flags.filter((flag) => flag !== '--json'));
  const [interpreters, claude, places] = await Promise.all([
    interpreterFindings(),
    claudeFinding(claudeProgram(config)),
    Promise.all([storeFinding(config.home), workFinding(config.work), keyFinding(config.home)]),
  ]);
  const isReady = places.every(({ state }) => state !== 'missing');
  const trial = isReady ? await trialFinding(config, has(interpreters, 'python3') ? 'python' : 'bash') : noTrial;
  const report: Report = {
    version: packageVersion(),
    backend: config.backend,
    ok: trial.state === 'ok',
    findings: [
      nodeFinding(),
      ...places,
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

function has(findings: readonly Finding[], subject: string): boolean {
  return findings.some((finding) => finding.subject === subject && finding.state === 'ok');
}

import { getuid } from 'node:process';
import { asRunyardError } from '../../contracts/errors.ts';
import type { Finding } from '../../contracts/sandbox.ts';
import { executable } from '../../lib/find-program.ts';
import { erect, metadataServer, tearDown } from './erect.ts';
import { layGround } from './ground.ts';
import { enableLauncher } from './messages.ts';
import type { LauncherOptions } from './options.ts';
import type { Standing } from './protocol/words.ts';

/** What is here of all that a wall needs, and what one looks like from inside. Leaves no wall behind. */
export async function probeLauncher(options: LauncherOptions): Promise<Finding[]> {
  const { launcherPath } = options;
  if (executable(launcherPath) === undefined) {
    return [{ subject: 'launcher', state: 'missing', detail: `no program at ${launcherPath}`, remedy: enableLauncher }];
  }
  return [{ subject: 'launcher', state: 'ok', detail: launcherPath }, userFinding(), limits, ...(await wall(options))];
}

function userFinding(): Finding {
  if (getuid!() === 0) return { subject: 'user', state: 'ok', detail: 'Runyard is root, which the launcher asks for' };
  return {
    subject: 'user',
    state: 'limited',
    detail: 'Runyard is not root: the launcher is known to work for root only',
    remedy: 'Let the container start as root: its image sets no USER.',
  };
}

const limits: Finding = {
  subject: 'limits',
  state: 'limited',
  detail:
    'memory and processors are those of the instance; each process is limited, and a run ends before the instance is full',
  remedy: 'Run one task an instance, which is what the backend cloud-run does.',
};

async function wall(options: LauncherOptions): Promise<Finding[]> {
  const launcher = { path: options.launcherPath, metadata: options.metadata ?? metadataServer };
  try {
    const ground = await layGround(options);
    const startedAtMs = performance.now();
    const erected = await erect(ground, launcher);
    const builtInMs = Math.round(performance.now() - startedAtMs);
    await tearDown(erected);
    await ground.leave();
    return [{ subject: 'wall', state: 'ok', detail: `built in ${builtInMs} ms: ${inWords(erected.raised.standing)}` }];
  } catch (error) {
    const { message, hint } = asRunyardError(error);
    return [{ subject: 'wall', state: 'missing', detail: message, remedy: hint }];
  }
}

function inWords({ uid, capabilities, interfaces }: Standing): string {
  const power = /^0+$/.test(capabilities) ? 'no capability' : `capabilities ${capabilities}`;
  return `user ${uid} of its own kernel, ${power}, interfaces ${interfaces.join(' ')}, no metadata server`;
}

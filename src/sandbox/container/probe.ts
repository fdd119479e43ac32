import { asRunyardError } from '../../contracts/errors.ts';
import type { Finding } from '../../contracts/sandbox.ts';
import { type Engine, findEngines } from './engine.ts';
import { chooseEngine } from './ground.ts';
import { defaultImage } from './image.ts';
import { type ContainerOptions, createContainer } from './index.ts';

/** What is here of all that a container wall needs, each part tried. Leaves no container behind. */
export async function probeContainer(options: Omit<ContainerOptions, 'slots'>): Promise<Finding[]> {
  const image = options.image ?? defaultImage();
  const found = await attempt('container engine', () => findEngines(options.env));
  if (found.value === undefined) return [found.finding('')];
  const engines = found.value;
  const chosen = await attempt('image', () => chooseEngine(engines, image));
  const engine = chosen.value ?? engines[0]!;
  const findings = [found.finding(`${engine.version} answers`), chosen.finding(`${image} is there`)];
  if (chosen.value === undefined) return findings;
  const wall = await attempt('wall', () => tryWall({ ...options, image }));
  return [...findings, limitsFinding(engine), wall.finding(wall.value ?? '')];
}

interface Attempt<T> {
  readonly value: T | undefined;
  /** What was found, where it worked; else what was not, and what to do. */
  finding(detail: string): Finding;
}

async function attempt<T>(subject: string, work: () => Promise<T>): Promise<Attempt<T>> {
  try {
    const value = await work();
    return { value, finding: (detail) => ({ subject, state: 'ok', detail }) };
  } catch (error) {
    const { message, hint } = asRunyardError(error);
    return { value: undefined, finding: () => ({ subject, state: 'missing', detail: message, remedy: hint }) };
  }
}

function limitsFinding({ name, limits }: Engine): Finding {
  const subject = 'limits';
  if (limits) return { subject, state: 'ok', detail: 'memory, processors and processes of a container as a whole' };
  return {
    subject,
    state: 'limited',
    detail: `${name} without root keeps no limits under the first version of control groups: memory and processes are limited for each process, and running out of memory is not told as such`,
    remedy: 'Boot with "systemd.unified_cgroup_hierarchy=1", or run Runyard as root.',
  };
}

async function tryWall(options: Omit<ContainerOptions, 'slots'>): Promise<string> {
  const sandbox = createContainer({ ...options, slots: 0 });
  try {
    const startedAtMs = performance.now();
    const wall = await sandbox.enter({ door: false, signal: AbortSignal.timeout(60_000) });
    const builtInMs = Math.round(performance.now() - startedAtMs);
    await wall.remove();
    return `made and checked in ${builtInMs} ms: user, capabilities, network, mounts, system call filter`;
  } finally {
    await sandbox.close();
  }
}

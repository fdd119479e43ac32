import { homedir } from 'node:os';
import { afterAll, beforeAll, describe } from 'vitest';
import { deployed } from '../e2e/deployed.ts';
import { lackingForLauncher, makeLauncherContainer } from '../e2e/launcher-container.ts';
import { createHome, type Served, serve } from '../e2e/served.ts';
import { type Google, type GoogleOptions, startGoogle } from '../fakes/google/yard.ts';
import { testImage } from '../sandbox/container-image.ts';

/** The engine of this run, by RUNYARD_TEST_ON. */
export type EngineName = 'local' | 'container' | 'cloud-run' | 'cloud-run-launcher';

interface Abilities {
  /** What every result says of its wall. */
  readonly technology: 'bubblewrap' | 'container' | 'cloud-run-launcher';
  /** Whether a size's memory is kept as a limit here. */
  readonly limitsMemory: boolean;
}

/** A home, and all that `serve` needs to use the engine from it. */
export interface Engine {
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

type Found =
  | { readonly name: EngineName; readonly can: Abilities; open(): Promise<Engine> }
  | { readonly name: EngineName; readonly missing: string };

/** Of an engine and a server on it, however busy the machine is. */
export const startTimeoutMs = 180_000;

const found = await find(process.env.RUNYARD_TEST_ON ?? 'local');

/** What the engine of this run can do, where it is here. */
export const can: Abilities = 'can' in found ? found.can : { technology: 'bubblewrap', limitsMemory: false };

/** A group of tests of one server on the engine; skipped, and says so, where the engine is not here. */
export function onEngine(title: string, tests: (tools: () => Served) => void, more: () => Promise<More> = nothing) {
  describeOn(title, (openEngine) => {
    const open: { served?: Served; close(): Promise<void> } = { close: async () => {} };
    beforeAll(async () => {
      const engine = await openEngine();
      const { env, close } = await more();
      open.served = await serve(engine.home, { ...engine.env, ...env });
      open.close = async () => {
        await open.served?.close();
        await close();
        await engine.close();
      };
    }, startTimeoutMs);
    afterAll(() => open.close());
    tests(() => open.served!);
  });
}

/** What a group's server has besides its engine. */
interface More {
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** A group of tests that start what they need themselves. */
export function describeOn(title: string, tests: (openEngine: () => Promise<Engine>) => void): void {
  const on = `${title}, on ${found.name}`;
  if ('missing' in found) describe.skip(`${on} (skipped: needs ${found.missing})`, () => tests(fail));
  else describe(on, () => tests(found.open));
}

// --- Internal helpers ---

async function find(name: string): Promise<Found> {
  switch (name) {
    case 'local':
      return {
        name,
        can: { technology: 'bubblewrap', limitsMemory: true },
        open: async () => local({ RUNYARD_SANDBOX: 'bubblewrap' }),
      };
    case 'container': {
      const built = await testImage();
      if ('missing' in built) return { name, missing: built.missing };
      return {
        name,
        can: { technology: 'container', limitsMemory: built.engine.limits },
        // An engine without root has its images in the home of its user.
        open: async () => local({ RUNYARD_SANDBOX: 'container', RUNYARD_IMAGE: built.image, HOME: homedir() }),
      };
    }
    case 'cloud-run':
      return { name, can: { technology: 'bubblewrap', limitsMemory: true }, open: () => cloudRun() };
    case 'cloud-run-launcher':
      if (lackingForLauncher !== undefined) return { name, missing: lackingForLauncher };
      return { name, can: { technology: 'cloud-run-launcher', limitsMemory: false }, open: cloudRunWithLauncher };
    default:
      throw new Error(`RUNYARD_TEST_ON is "${name}": it must be local, container, cloud-run or cloud-run-launcher.`);
  }
}

function local(env: Readonly<Record<string, string>>): Engine {
  const { home, remove } = createHome();
  return { home, env, close: async () => remove() };
}

async function cloudRunWithLauncher(): Promise<Engine> {
  const container = makeLauncherContainer();
  const engine = await cloudRun({ run: { program: container.program }, jobEnv: container.env });
  return {
    ...engine,
    async close() {
      await engine.close();
      container.remove();
    },
  };
}

async function cloudRun(options: Pick<GoogleOptions, 'run' | 'jobEnv'> = {}): Promise<Engine> {
  const { home, remove } = createHome();
  // Each account may do what deploy has granted it, and no more.
  const { bindings } = await deployed();
  const google: Google = await startGoogle({ ...options, access: { bindings } });
  return {
    home,
    env: google.env,
    async close() {
      await google.close();
      remove();
    },
  };
}

async function nothing(): Promise<More> {
  return { env: {}, close: async () => {} };
}

function fail(): never {
  throw new Error('this engine is not here');
}

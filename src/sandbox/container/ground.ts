import { pid } from 'node:process';
import { processIdentity } from '../../lib/process-identity.ts';
import { type Engine, findEngines } from './engine.ts';
import { defaultImage, hasImage, imageMissing } from './image.ts';
import { initArguments } from './init.ts';

export interface ContainerOptions {
  /** The image of every container; that of the package's version where not given. */
  readonly image?: string | undefined;
  /** Where the engines' clients are, and what they need to find their engine. Nothing of it comes into a container. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Programs that run at once; fewer containers are kept ready, for each holds some 50 MiB. */
  readonly slots: number;
}

/** What all containers of this process have in common. */
export interface Ground {
  readonly engine: Engine;
  readonly image: string;
  /** Of pid 1. */
  readonly init: readonly string[];
  /** Who started it. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Says whose a container is, so that it can be told when that runner is dead. */
export const ownerLabel = 'runyard.runner';

/** The same at every call, until it rejects: then the next call tries anew. */
export function layGround({ image = defaultImage(), env }: Pick<ContainerOptions, 'image' | 'env'>) {
  const state: { ground: Promise<Ground> | undefined } = { ground: undefined };
  const lay = async (): Promise<Ground> => ({
    image,
    engine: await chooseEngine(await findEngines(env), image),
    init: initArguments(),
    labels: { [ownerLabel]: JSON.stringify(processIdentity(pid)) },
  });
  return (): Promise<Ground> => {
    state.ground ??= lay().catch((error) => {
      state.ground = undefined;
      throw error;
    });
    return state.ground;
  };
}

/** The first that has the image. Throws `sandbox_unavailable` with the command that builds it, where none has. */
export async function chooseEngine(engines: readonly Engine[], image: string): Promise<Engine> {
  for (const engine of engines) if (await hasImage(engine, image)) return engine;
  throw imageMissing(engines[0]!, image);
}

import { checkStanding } from './checks.ts';
import type { Engine } from './engine.ts';
import { holdOf } from './hold.ts';
import { engineFailure } from './messages.ts';
import { type Talk, talkOver } from './talk.ts';
import type { Standing } from './words.ts';

/** A container that stands and was checked. Its pid 1 waits for orders. */
export interface Container extends Talk {
  readonly standing: Standing;
  isStanding(): boolean;
  /** Ends the container and what belongs to it. Safe to call twice. */
  remove(): Promise<void>;
}

const startTimeoutMs = 60_000;

/** Starts one and waits until its pid 1 has looked around. Throws `sandbox_unavailable`, and leaves nothing behind then. */
export async function startContainer(
  engine: Engine,
  name: string,
  { args, image }: { readonly args: readonly string[]; readonly image: string },
): Promise<Container> {
  const client = engine.start(args);
  const { kill, isStanding, remove, lastWords } = holdOf(engine, name, client);
  const talk = talkOver(client, () => void kill());
  const late = setTimeout(() => void kill(), startTimeoutMs);
  try {
    const first = await talk.first;
    if (first?.answer !== 'ready') {
      await kill();
      throw engineFailure(engine.name, lastWords());
    }
    checkStanding(first, engine, image);
    return { standing: first, isStanding, remove, ...talk };
  } catch (error) {
    await remove();
    throw error;
  } finally {
    clearTimeout(late);
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { checkStanding } from './checks.ts';
import type { Client, Engine } from './engine.ts';
import { engineFailure } from './messages.ts';
import { type Talk, talkOver } from './talk.ts';
import type { Standing } from './words.ts';

/** A container that stands and was checked. Its pid 1 waits for orders. */
export interface Container extends Talk {
  readonly standing: Standing;
  /** Resolves when the engine's client has ended, and with it the container. */
  readonly gone: Promise<void>;
  isStanding(): boolean;
  /** Ends the container and what belongs to it. Safe to call twice. */
  remove(): Promise<void>;
}

const startTimeoutMs = 60_000;
/** How long pid 1 may take to end before it is killed, and how long the engine may take then. */
const endTimeoutMs = 5_000;
const removeTimeoutMs = 20_000;
const stderrBytesMax = 8 * 1024;

/** Starts one and waits until its pid 1 has looked around. Throws `sandbox_unavailable`, and leaves nothing behind then. */
export async function startContainer(
  engine: Engine,
  name: string,
  { args, image }: { readonly args: readonly string[]; readonly image: string },
): Promise<Container> {
  const client = engine.start(args);
  const hold = holdOf(engine, name, client);
  const talk = talkOver(client, hold.kill);
  const timer = setTimeout(hold.kill, startTimeoutMs);
  try {
    const first = await talk.first;
    if (first?.answer !== 'ready') {
      await hold.gone;
      throw engineFailure(engine.name, hold.stderr());
    }
    checkStanding(first, engine, image);
    return { standing: first, gone: hold.gone, isStanding: hold.isStanding, remove: hold.remove, ...talk };
  } catch (error) {
    await hold.remove();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The life of the client, which is the container's. */
function holdOf(engine: Engine, name: string, client: Client) {
  const errors: Buffer[] = [];
  client.stderr.on('data', (chunk: Buffer) => {
    errors.push(chunk);
    while (errors.reduce((sum, { length }) => sum + length, 0) > stderrBytesMax && errors.length > 1) errors.shift();
  });
  const state: { isOver: boolean; failure: string; removal: Promise<void> | undefined } = {
    isOver: false,
    failure: '',
    removal: undefined,
  };
  const gone = new Promise<void>((resolve) => {
    const over = () => {
      state.isOver = true;
      resolve();
    };
    client.once('close', over);
    client.once('error', (error) => {
      state.failure = error.message;
      over();
    });
  });
  const removeByName = () => engine.run(['rm', '--force', '--volumes', name]).then(ignore, ignore);
  /** Not the client: that would leave the container. */
  const kill = () => {
    if (!state.isOver) void engine.run(['kill', '--signal', 'KILL', name]).catch(removeByName);
  };
  const end = async () => {
    client.stdin.end();
    const late = setTimeout(kill, endTimeoutMs);
    const never = new AbortController();
    await Promise.race([gone, delay(removeTimeoutMs, undefined, { signal: never.signal }).catch(ignore)]);
    never.abort();
    clearTimeout(late);
    if (state.isOver && client.exitCode !== null) return;
    // A client that was killed has removed nothing.
    await removeByName();
    client.kill('SIGKILL');
  };
  return {
    gone,
    kill,
    isStanding: () => !state.isOver && client.exitCode === null && client.signalCode === null,
    stderr: () => state.failure || Buffer.concat(errors).toString('utf8'),
    remove: () => {
      state.removal ??= end();
      return state.removal;
    },
  };
}

function ignore(): void {
  // Told by what is left, or not at all: there is nothing else that could be done.
}

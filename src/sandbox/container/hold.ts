import type { Client, Engine } from './engine.ts';

/** The life of one container, which is that of the engine's client. */
export interface Hold {
  isStanding(): boolean;
  /** Ends it through the engine, whatever its pid 1 does. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Lets it end by itself, or else kills it; nothing of it is left. Safe to call twice. */
  remove(): Promise<void>;
  /** The end of what the client said itself. */
  lastWords(): string;
}

/** How long pid 1 may take to end, the engine to end what does not, and what is still in a pipe to come. */
const patienceMs = { end: 5_000, kill: 5_000, lastBytes: 1_000 };
const wordsKept = 8 * 1024;

export function holdOf(engine: Engine, name: string, client: Client): Hold {
  const words = { said: '' };
  // First of all: without a descriptor left there are no pipes either, and the error would end the whole runner.
  const exited = new Promise<void>((resolve) => {
    client.once('exit', () => resolve());
    client.once('error', (error) => {
      words.said = error.message;
      resolve();
    });
  });
  client.stderr.setEncoding('utf8').on('data', (text: string) => {
    words.said = (words.said + text).slice(-wordsKept);
  });
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  const state: { isOver: boolean; killing?: Promise<void>; removing?: Promise<void> } = { isOver: false };
  const gone = exited.then(async () => {
    state.isOver = true;
    await within(closed, patienceMs.lastBytes);
    // Whoever still holds the other end of its pipes is not waited for.
    for (const pipe of [client.stdin, client.stdout, client.stderr]) pipe.destroy();
  });
  const removeByName = () => engine.run(['rm', '--force', '--volumes', name]).then(ignore, ignore);
  const killNow = async () => {
    await engine.run(['kill', '--signal', 'KILL', name]).catch(removeByName);
    await within(gone, patienceMs.kill);
    // Not before: that would leave the container.
    client.kill('SIGKILL');
    await gone;
  };
  const kill = () => {
    if (state.isOver) return gone;
    state.killing ??= killNow();
    return state.killing;
  };
  const end = async () => {
    client.stdin.end();
    await within(gone, patienceMs.end);
    await kill();
    // A client that has done its work has removed the container itself.
    if (client.exitCode !== 0) await removeByName();
  };
  return {
    isStanding: () => !state.isOver && client.exitCode === null && client.signalCode === null,
    kill,
    remove: () => {
      state.removing ??= end();
      return state.removing;
    },
    lastWords: () => words.said,
  };
}

/** Resolves with the work, or when it has taken so long. */
async function within(work: Promise<void>, timeoutMs: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, timeoutMs);
  await Promise.race([work, late.promise]);
  clearTimeout(timer);
}

function ignore(): void {
  // There may be nothing to remove; what cannot be removed now is removed by the next runner.
}

import { setTimeout as delay } from 'node:timers/promises';
import { once } from '../../lib/once.ts';
import type { Channel, Receiver } from '../shared/protocol/link.ts';
import { deleteArguments } from './arguments.ts';
import { openLine, type Sink } from './line.ts';
import { launcherFailure, launcherMissing } from './messages.ts';
import { launcherDoes, startLauncher } from './program.ts';
import type { Answer, Order, Standing } from './protocol/words.ts';

/** A sandbox of the launcher with our program in it, which waits for orders. */
export interface Raised {
  readonly name: string;
  /** Of the launcher's program, as this instance counts. */
  readonly pid: number;
  readonly standing: Standing;
  /**
   * Resolves with what the program inside answers; rejects where the wall ends before that. One that does not answer an
   * order, which takes it no time, ends so.
   */
  order(order: Exclude<Order, { order: 'finish' }>): Promise<Answer>;
  /** From now on. A promise holds that stream back. */
  listen(sinks: { readonly stdout: Sink; readonly stderr: Sink }): void;
  /** Resolves when the sinks have taken what has come until now. */
  taken(): Promise<void>;
  onConnection(accept: (channel: Channel) => Receiver | undefined): void;
  /** Ends everything inside, after what was printed has run out. */
  finish(): void;
  /** Ends everything inside at once. */
  kill(): void;
  isStanding(): boolean;
  /** Resolves when the launcher's program has ended, or was killed because it did not. */
  readonly exited: Promise<void>;
  /** Makes the launcher forget the name, once. It may take long over that. */
  forget(): Promise<void>;
}

const raiseTimeoutMs = 30_000;
/** What is no program is done in milliseconds; an instance may be busy. */
const orderTimeoutMs = 30_000;
/** From an order that everything end to the end, before the launcher is told to see to it. */
const patienceMs = 3_000;
/** For what is still in the pipe of a launcher that has ended. */
const lastBytesMs = 500;

/** Starts a sandbox and waits until it says what it looks like. Throws `sandbox_unavailable`; nothing is left then. */
export async function raise(launcherPath: string, name: string, args: readonly string[]): Promise<Raised> {
  const program = startLauncher(launcherPath, args);
  const line = openLine(program);
  const { pid } = program;
  const exited = program.exited.then(async (error) => {
    await Promise.race([line.isOver, delay(lastBytesMs, undefined, { ref: false })]);
    program.letGo();
    line.close();
    return error;
  });
  const state = { hasExited: false, isKilled: false };
  const forget = once(() => launcherDoes(launcherPath, deleteArguments(name)));
  void exited.then(() => Object.assign(state, { hasExited: true }));
  const kill = () => {
    if (state.isKilled || state.hasExited) return;
    state.isKilled = true;
    line.finish();
    void forceEnd();
  };
  const forceEnd = async () => {
    await Promise.race([forget(), exited]);
    await Promise.race([exited, delay(patienceMs, undefined, { ref: false })]);
    program.kill();
  };
  const finish = () => {
    line.finish();
    void Promise.race([exited, delay(patienceMs, undefined, { ref: false })]).then(kill);
  };
  /** A program may take as long as it likes, and whoever runs it ends it; nobody else waits for ever. */
  const order: Raised['order'] = async (asked) => {
    const late = asked.order === 'run' ? undefined : setTimeout(kill, orderTimeoutMs);
    try {
      return await line.order(asked);
    } finally {
      clearTimeout(late);
    }
  };
  line.onBroken(kill);
  const tooLong = setTimeout(kill, raiseTimeoutMs);
  try {
    const standing = await line.ready;
    return {
      ...{ name, pid: pid!, standing, finish, kill, forget },
      ...{ order, listen: line.listen, taken: line.taken, onConnection: line.onConnection },
      isStanding: () => !state.hasExited && !state.isKilled,
      exited: exited.then(() => undefined),
    };
  } catch {
    kill();
    const error = await exited;
    throw error === undefined ? launcherFailure(program.lastWords()) : launcherMissing(launcherPath, error);
  } finally {
    clearTimeout(tooLong);
  }
}

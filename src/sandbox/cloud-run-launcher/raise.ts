import { setTimeout as delay } from 'node:timers/promises';
import { RunyardError } from '../../contracts/errors.ts';
import { once } from '../../lib/once.ts';
import { type Channel, createLink, type Receiver } from '../shared/protocol/link.ts';
import { deleteArguments } from './arguments.ts';
import { launcherFailure, launcherMissing } from './messages.ts';
import { type LauncherProcess, launcherDoes, startLauncher } from './program.ts';
import { answerOf } from './protocol/answers.ts';
import { createPreamble } from './protocol/preamble.ts';
import { type Answer, channels, type Order, type Standing } from './protocol/words.ts';

export type Sink = (chunk: Buffer) => void | Promise<void>;

/** A sandbox of the launcher with our program in it, which waits for orders. */
export interface Raised {
  readonly name: string;
  /** Of the launcher's program, as this instance counts. */
  readonly pid: number;
  readonly standing: Standing;
  /** Resolves with what the program inside answers; rejects where the wall ends before that. */
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
/** From an order that everything end to the end, before the launcher is told to see to it. */
const patienceMs = 3_000;
/** For what is still in the pipe of a launcher that has ended. */
const lastBytesMs = 500;
const answerBytesMax = 64 * 1024;
/** Of what is on its way inside: all windows of all connections, and what was placed. */
const unsentBytesMax = 64 * 1024 * 1024;

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
  line.onBroken(kill);
  const tooLong = setTimeout(kill, raiseTimeoutMs);
  try {
    const standing = await line.ready;
    return {
      ...{ name, pid: pid!, standing, finish, kill, forget },
      ...{ order: line.order, listen: line.listen, taken: line.taken, onConnection: line.onConnection },
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

/** The line to the program inside. */
function openLine({ stdin, stdout }: LauncherProcess) {
  const waiting: PromiseWithResolvers<Answer>[] = [];
  const ready = Promise.withResolvers<Standing>();
  const isOver = Promise.withResolvers<void>();
  const state: {
    sinks: { readonly stdout: Sink; readonly stderr: Sink };
    accept: (channel: Channel) => Receiver | undefined;
    broken: (error: unknown) => void;
    isClosed: boolean;
  } = {
    sinks: { stdout: () => undefined, stderr: () => undefined },
    accept: () => undefined,
    broken: () => undefined,
    isClosed: false,
  };
  const hear = (word: unknown) => {
    const answer = answerOf.parse(word);
    if (answer.answer === 'ready') return ready.resolve(answer);
    if (answer.answer === 'finished') return isOver.resolve();
    const first = waiting.shift();
    if (first === undefined) throw new Error('an answer to nothing');
    first.resolve(answer);
  };
  const write = (bytes: Buffer) => {
    if (stdin.writableLength > unsentBytesMax) throw new Error('nothing inside reads what is sent to it');
    if (stdin.writable) stdin.write(bytes);
  };
  const link = createLink({
    write,
    onWord: hear,
    onOpen: (channel) => state.accept(channel),
    wordBytesMax: answerBytesMax,
  });
  const lanes = (['stdout', 'stderr'] as const).map((stream) =>
    link.attach(channels[stream], {
      data: (chunk) => state.sinks[stream](chunk),
      end: () => undefined,
      gone: () => undefined,
    }),
  );
  const close = () => {
    if (state.isClosed) return;
    state.isClosed = true;
    const gone = new RunyardError('sandbox_unavailable', 'The sandbox ended before it had answered.');
    ready.reject(gone);
    for (const { reject } of waiting.splice(0)) reject(gone);
    link.close();
  };
  readFrames(stdout, link.push, (error) => state.broken(error));
  stdout.once('close', () => isOver.resolve());
  // Whoever waits for it is told by `close`.
  ready.promise.catch(() => undefined);
  return {
    ready: ready.promise,
    isOver: isOver.promise,
    close,
    order: (order: Order) => {
      const answer = Promise.withResolvers<Answer>();
      if (state.isClosed) answer.reject(new RunyardError('sandbox_unavailable', 'The sandbox has ended.'));
      else {
        waiting.push(answer);
        link.say(order);
      }
      return answer.promise;
    },
    finish: () => link.say({ order: 'finish' } satisfies Order),
    listen: (sinks: { readonly stdout: Sink; readonly stderr: Sink }) => {
      state.sinks = sinks;
    },
    taken: async () => void (await Promise.all(lanes.map((lane) => lane.taken()))),
    onConnection: (accept: (channel: Channel) => Receiver | undefined) => {
      state.accept = accept;
    },
    onBroken: (broken: (error: unknown) => void) => {
      state.broken = broken;
    },
  };
}

/** What cannot be a frame ends the line: nobody can tell any more where the next one begins. */
function readFrames(
  stdout: LauncherProcess['stdout'],
  push: (chunk: Buffer) => void,
  broken: (error: unknown) => void,
) {
  const preamble = createPreamble();
  const state = { hasBegun: false };
  const hear = (chunk: Buffer) => {
    const frames = state.hasBegun ? chunk : preamble.push(chunk);
    if (frames === undefined) return;
    state.hasBegun = true;
    push(frames);
  };
  stdout.on('data', (chunk: Buffer) => {
    try {
      hear(chunk);
    } catch (error) {
      stdout.removeAllListeners('data').resume();
      broken(error);
    }
  });
}

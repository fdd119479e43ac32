import { RunyardError } from '../../contracts/errors.ts';
import { type Channel, createLink, type Receiver } from '../shared/protocol/link.ts';
import type { LauncherProcess } from './program.ts';
import { answerOf } from './protocol/answers.ts';
import { createPreamble } from './protocol/preamble.ts';
import { type Answer, channels, type Order, type Standing } from './protocol/words.ts';

export type Sink = (chunk: Buffer) => void | Promise<void>;

const answerBytesMax = 64 * 1024;
/** Of what is on its way inside: all windows of all connections, and what was placed. */
const unsentBytesMax = 64 * 1024 * 1024;

/** The line to the program inside. */
export function openLine({ stdin, stdout }: LauncherProcess) {
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
    if (stdin.writableLength > unsentBytesMax) state.broken(new Error('nothing inside reads what is sent to it'));
    else if (stdin.writable) stdin.write(bytes);
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

import { type Channel, createLink, type Receiver } from '../shared/protocol/link.ts';
import type { Client } from './engine.ts';
import { type Answer, channels, type Finished, type News, type Order, saying } from './words.ts';

/** What runner and pid 1 say to each other. */
export interface Talk {
  /** What pid 1 says of itself; undefined where it never came so far. */
  readonly first: Promise<Answer | undefined>;
  /**
   * The answer to one order; the upload that it announces goes along. Undefined where `finish` cut it short or the
   * container is gone. One at a time.
   */
  ask(order: Exclude<Order, { order: 'finish' }>, upload?: Uint8Array): Promise<Answer | undefined>;
  /** Kills everything inside but pid 1. Resolves with what pid 1 says then; undefined where the container is gone. */
  finish(): Promise<Finished | undefined>;
  /** Who takes what is printed, and what connects, from now on. */
  listen(listener: Listener): void;
  /** Resolves when all that was printed until now was taken. */
  taken(): Promise<void>;
}

/** None of its functions may throw or reject. */
export interface Listener {
  output(stream: 'stdout' | 'stderr', chunk: Buffer): void | Promise<void>;
  news?(news: News): void;
  connection?(channel: Channel): Receiver | undefined;
}

const wordBytesMax = 256 * 1024;
/** What is no program is done in milliseconds; an engine may be slow to carry it. */
const orderTimeoutMs = 30_000;
/** pid 1 shares the processors of its container with hundreds of processes, at worst. */
const finishTimeoutMs = 10_000;

/** Speaks over the client's pipes. `kill` ends a container that cannot be spoken with. */
export function talkOver({ stdin, stdout }: Client, kill: () => void): Talk {
  const state: {
    listener: Listener;
    waiting: ((answer: Answer | undefined) => void) | undefined;
    finishing: PromiseWithResolvers<Finished | undefined> | undefined;
    uploading: Promise<void>;
    isOver: boolean;
  } = {
    listener: { output: () => undefined },
    waiting: undefined,
    finishing: undefined,
    uploading: Promise.resolve(),
    isOver: false,
  };
  const answered = (answer: Answer | undefined) => {
    const { waiting } = state;
    state.waiting = undefined;
    waiting?.(answer);
  };
  const finished = (answer: Finished | undefined) => {
    state.finishing?.resolve(answer);
    state.finishing = undefined;
  };
  const hear = (word: unknown) => {
    const said = saying.parse(word);
    if ('news' in said) state.listener.news?.(said.news);
    else if (said.answer === 'finished') finished(said);
    else answered(said);
  };
  const link = createLink({
    write: (bytes) => {
      if (stdin.writable) stdin.write(bytes);
    },
    onWord: hear,
    onOpen: (channel) => state.listener.connection?.(channel),
    wordBytesMax,
  });
  const nothing = { end: () => undefined, gone: () => undefined };
  const outputs = (['stdout', 'stderr'] as const).map((stream) =>
    link.attach(channels[stream], { ...nothing, data: (chunk) => state.listener.output(stream, chunk) }),
  );
  const uploads = link.attach(channels.upload, { ...nothing, data: () => undefined });

  stdout.on('data', (chunk: Buffer) => {
    try {
      link.push(chunk);
    } catch (error) {
      // Nobody can have meant this: whoever wrote it is not the pid 1 that we started.
      stdout.destroy(error instanceof Error ? error : undefined);
      kill();
    }
  });
  stdout.on('error', () => undefined);
  // The end of the container is told by the end of its output.
  stdin.on('error', () => undefined);
  stdout.once('close', () => {
    state.isOver = true;
    link.close();
    answered(undefined);
    finished(undefined);
  });

  const wait = () =>
    new Promise<Answer | undefined>((resolve) => {
      if (state.isOver) resolve(undefined);
      else state.waiting = resolve;
    });

  return {
    first: wait(),
    ask: async (order, upload = new Uint8Array()) => {
      await Promise.all([state.uploading, state.finishing?.promise]);
      if (state.isOver) return undefined;
      const late = order.order === 'run' ? undefined : setTimeout(kill, orderTimeoutMs);
      const answer = wait().finally(() => clearTimeout(late));
      link.say(order);
      state.uploading = uploads
        .send(Buffer.from(upload.buffer, upload.byteOffset, upload.length))
        .catch(() => undefined);
      return answer;
    },
    finish: () => {
      if (state.isOver) return Promise.resolve(undefined);
      if (state.finishing !== undefined) return state.finishing.promise;
      const finishing = Promise.withResolvers<Finished | undefined>();
      state.finishing = finishing;
      const late = setTimeout(kill, finishTimeoutMs);
      answered(undefined);
      link.say({ order: 'finish' });
      return finishing.promise.finally(() => clearTimeout(late));
    },
    listen: (listener) => {
      state.listener = listener;
    },
    taken: async () => {
      await Promise.all(outputs.map((output) => output.taken()));
    },
  };
}

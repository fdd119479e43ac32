import { mkdirSync } from 'node:fs';
import type { Link } from '../../shared/protocol/link.ts';
import { type Answer, channels, type Order } from '../protocol/words.ts';
import { openDoor } from './door.ts';
import { lookAround } from './look-around.ts';
import { killOthers } from './others.ts';
import { openOutput } from './output.ts';
import { placeFile } from './place.ts';
import { openStdin } from './stdin.ts';
import { runStep } from './step.ts';

export interface GuestOptions {
  readonly workspace: string;
  /** Whether this wall is for a program: one that packs only reads. */
  readonly writable: boolean;
  readonly home: string;
  /** Of the programs' default PATH. */
  readonly path: string;
  /** A folder of its own, for what must have a name for a moment. */
  readonly scratch: string;
  /** Who must not answer. */
  readonly metadata: { readonly host: string; readonly port: number };
}

export interface GuestUses {
  readonly link: Link;
  readonly say: (answer: Answer) => void;
  readonly leave: () => void;
}

export interface Guest {
  /** Says `ready` once everything stands. */
  begin(): void;
  hear(order: Order): void;
}

/** Obeys the runner: one order after the other, `finish` at once. */
export function createGuest(options: GuestOptions, { link, say, leave }: GuestUses): Guest {
  mkdirSync(options.scratch, { mode: 0o700 });
  const output = {
    stdout: openOutput(`${options.scratch}/stdout`, (receiver) => link.attach(channels.stdout, receiver)),
    stderr: openOutput(`${options.scratch}/stderr`, (receiver) => link.attach(channels.stderr, receiver)),
  };
  const stdin = openStdin(`${options.scratch}/stdin`);
  const queue = { last: Promise.resolve() };
  const state = { isFinishing: false };

  const obey = async (order: Exclude<Order, { order: 'finish' }>): Promise<Answer> => {
    switch (order.order) {
      case 'place':
        placeFile(options.workspace, order);
        return { answer: 'done' };
      case 'stdin':
        stdin.give(Buffer.from(order.content, 'base64'), order.append);
        return { answer: 'done' };
      case 'door':
        await openDoor(link, order.port);
        return { answer: 'done' };
      case 'run': {
        const ended = await runStep(order, {
          ...options,
          stdin,
          stdout: output.stdout.writer,
          stderr: output.stderr.writer,
        });
        await Promise.all([output.stdout.drained(), output.stderr.drained()]);
        return { answer: 'ended', ...ended };
      }
    }
  };

  const finish = async () => {
    if (state.isFinishing) return;
    state.isFinishing = true;
    await killOthers();
    await Promise.all([output.stdout.close(), output.stderr.close()]);
    say({ answer: 'finished' });
    leave();
  };

  const inOrder = (work: () => Promise<Answer>) => {
    queue.last = queue.last.then(work).catch(failed).then(say);
  };

  return {
    begin: () =>
      inOrder(async () => {
        mkdirSync(options.home, { mode: 0o700 });
        if (options.writable) mkdirSync(`${options.workspace}/output`, { mode: 0o755 });
        return { answer: 'ready', ...(await lookAround(options)) };
      }),
    hear: (order) => {
      if (order.order === 'finish') void finish();
      else inOrder(() => obey(order));
    },
  };
}

function failed(error: unknown): Answer {
  return { answer: 'failed', reason: String(error instanceof Error ? error.message : error).slice(0, 500) };
}

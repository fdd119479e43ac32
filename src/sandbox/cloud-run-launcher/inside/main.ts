import { createLink } from '../../shared/protocol/link.ts';
import { preamble } from '../protocol/preamble.ts';
import type { Answer, Order } from '../protocol/words.ts';
import { createGuest, type GuestOptions } from './guest.ts';
import { isFirstChild } from './others.ts';

/**
 * The trusted program inside the wall: `node main.js OPTIONS`, the child of pid 1. Its stdin and stdout are the line to
 * the runner; the end of its stdin is the end of the runner, and then of everything inside.
 */
function main(): void {
  if (!isFirstChild()) throw new Error('This runs inside a wall only, as the child of its first process.');
  process.umask(0o022);
  const options: GuestOptions = JSON.parse(process.argv[2] ?? '{}');
  const link = createLink({
    write: (bytes) => void process.stdout.write(bytes),
    onWord: (order) => guest.hear(order as Order),
    onOpen: () => undefined,
    wordBytesMax: 64 * 1024 * 1024,
  });
  const say = (answer: Answer) => link.say(answer);
  const leave = () => void process.stdout.write('', () => process.exit(0));
  const guest = createGuest(options, { link, say, leave });
  process.stdin.on('data', (chunk: Buffer) => link.push(chunk));
  process.stdin.on('end', () => process.exit(0));
  process.stdout.on('error', () => process.exit(0));
  process.stdout.write(preamble);
  guest.begin();
}

main();

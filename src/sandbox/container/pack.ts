import { RunyardError } from '../../contracts/errors.ts';
import type { Collected, CollectOptions } from '../../contracts/sandbox.ts';
import { untilAborted } from '../../lib/until-aborted.ts';
import { selected } from '../shared/leftovers.ts';
import { chooseFitting, createListing, listCommand } from '../shared/listing.ts';
import { unpack } from '../shared/unpack.ts';
import type { Container } from './container.ts';
import { runErrand } from './errand.ts';

const packTimeoutMs = 120_000;
const tarCommand = [
  ...['/usr/bin/tar', '--create', '--format=gnu', '--hard-dereference', '--no-recursion', '--null'],
  ...['--verbatim-files-from', '-T', '-', '-f', '-'],
];

/**
 * Hands over the files a dead program left. Only pid 1 is alive in its container, and the programs it starts now are the
 * image's own, which nobody can have written. Throws the signal's reason, what `onFile` throws, and `backend_error`
 * where packing fails or the container is gone.
 */
export async function pack(container: Container, options: CollectOptions): Promise<Collected> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(packTimeoutMs)]);
  signal.throwIfAborted();
  const finished = await untilAborted(container.finish(), signal);
  if (options.select === undefined && finished?.outputIsEmpty === true) return { files: 0, skipped: 0 };
  try {
    return await untilAborted(carryOut(container, { ...options, signal }), signal);
  } finally {
    // What is still on its way is nobody's.
    container.listen({ output: () => undefined });
    await container.finish();
  }
}

async function carryOut(container: Container, options: CollectOptions): Promise<Collected> {
  const listing = createListing();
  listenTo(container, listing.push);
  await run(container, listCommand(options.select === undefined ? 'output' : 'workspace'));
  // `output` itself may be a file by now.
  const files = listing.files.filter(({ path }) => options.select !== undefined || path.startsWith('output/'));
  const wanted = await selected(files, options.select);
  const { chosen, skipped } = chooseFitting(wanted, options);
  if (chosen.length === 0) return { files: 0, skipped: skipped + listing.notKept() };
  const names = Buffer.concat(chosen.flatMap(({ name }) => [name, Buffer.of(0)]));
  const unpacking = await unpack(options);
  listenTo(container, unpacking.push);
  const packed = run(container, tarCommand, names);
  const count = await Promise.race([packed.then(unpacking.end), unpacking.failed]);
  return { files: count, skipped: skipped + listing.notKept() };
}

function listenTo(container: Container, push: (chunk: Buffer) => void | Promise<void>): void {
  container.listen({ output: (stream, chunk) => (stream === 'stdout' ? push(chunk) : undefined) });
}

async function run(container: Container, argv: readonly string[], stdin?: Uint8Array): Promise<void> {
  if ((await runErrand(container, argv, stdin)) !== undefined) return;
  throw new RunyardError('backend_error', 'What the program left could not be packed: its container has ended.');
}

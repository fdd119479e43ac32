import { chmodSync } from 'node:fs';
import { RunyardError } from '../../contracts/errors.ts';
import type { Collected, CollectOptions } from '../../contracts/sandbox.ts';
import { untilAborted } from '../../lib/until-aborted.ts';
import { stepEnvironment } from '../shared/environment.ts';
import { isOutputEmpty, selected } from '../shared/leftovers.ts';
import { chooseFitting, createListing, listCommand } from '../shared/listing.ts';
import { unpack } from '../shared/unpack.ts';
import { type Launcher, raiseChecked } from './erect.ts';
import type { Ground, WallFolder } from './ground.ts';
import type { ProcessLimits } from './protocol/words.ts';
import type { Raised } from './raise.ts';

const packTimeoutMs = 120_000;
const packLimits: ProcessLimits = { fileBytes: 0, openFiles: 256, dataBytes: 512 * 1024 ** 2, processes: 64 };
const tarCommand = [
  ...['/usr/bin/tar', '--create', '--format=gnu', '--hard-dereference', '--no-recursion', '--null'],
  ...['--verbatim-files-from', '-T', '-', '-f', '-'],
];

/**
 * Hands over the files a dead program left, carried out by trusted programs in a second wall that sees the workspace
 * read-only. Throws the signal's reason, what `onFile` throws, and `backend_error` where packing fails.
 */
export async function pack(
  { workspace }: WallFolder,
  ground: Ground,
  launcher: Launcher,
  options: CollectOptions,
): Promise<Collected> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(packTimeoutMs)]);
  signal.throwIfAborted();
  // The program may have shut its workspace against whoever looks into it next.
  chmodSync(workspace, 0o777);
  if (options.select === undefined && isOutputEmpty(workspace)) return { files: 0, skipped: 0 };
  const raised = await raiseChecked(ground, launcher, { workspace, writable: false });
  signal.addEventListener('abort', raised.kill);
  try {
    return await untilAborted(carryOut(raised, { ...options, signal }), signal);
  } finally {
    signal.removeEventListener('abort', raised.kill);
    raised.finish();
    await raised.exited;
    void raised.forget();
  }
}

async function carryOut(raised: Raised, options: CollectOptions): Promise<Collected> {
  const listing = createListing();
  raised.listen({ stdout: listing.push, stderr: () => undefined });
  await step(raised, listCommand(options.select === undefined ? 'output' : 'workspace'), false);
  const wanted = await selected(listing.files, options.select);
  const { chosen, skipped } = chooseFitting(wanted, options);
  if (chosen.length === 0) return { files: 0, skipped: skipped + listing.notKept() };
  const names = Buffer.concat(chosen.flatMap(({ name }) => [name, Buffer.of(0)]));
  await raised.order({ order: 'stdin', content: names.toString('base64'), append: false });
  const unpacking = await unpack(options);
  raised.listen({ stdout: unpacking.push, stderr: () => undefined });
  const packed = step(raised, tarCommand, true);
  const files = await Promise.race([packed.then(unpacking.end), unpacking.failed]);
  return { files, skipped: skipped + listing.notKept() };
}

async function step(raised: Raised, argv: readonly string[], stdin: boolean): Promise<void> {
  const answer = await raised.order({ order: 'run', argv, env: stepEnvironment({}), limits: packLimits, stdin });
  if (answer.answer !== 'ended' || !answer.began) {
    throw new RunyardError('backend_error', 'What the program left could not be packed: its wall ended too early.');
  }
  await raised.taken();
}

import { chmodSync } from 'node:fs';
import { RunyardError } from '../../contracts/errors.ts';
import type { Collected, CollectOptions } from '../../contracts/sandbox.ts';
import { untilAborted } from '../../lib/until-aborted.ts';
import { isOutputEmpty, selected } from '../shared/leftovers.ts';
import { chooseFitting, createListing, listCommand } from '../shared/listing.ts';
import { unpack } from '../shared/unpack.ts';
import { buildWall, type StandingWall } from './build.ts';
import type { Foundation } from './foundation.ts';
import { words } from './init.ts';
import { programScript } from './script.ts';
import { givenTo, type Slot } from './slot.ts';

const packTimeoutMs = 120_000;
const packLimits = { fileBytes: 0, openFiles: 256, dataBytes: 512 * 1024 ** 2, processes: 16 };
const tarCommand = ['/usr/bin/tar', '--create', '--format=gnu', '--hard-dereference', '--no-recursion', '--null'];

/**
 * Hands over the files a dead program left, carried out by trusted programs in a second wall that sees the workspace
 * read-only. Throws the signal's reason, what `onFile` throws, and `backend_error` where packing fails.
 */
export async function pack(slot: Slot, foundation: Foundation, options: CollectOptions): Promise<Collected> {
  options.signal.throwIfAborted();
  // The program may have shut its workspace against its own user, who the second wall runs as.
  chmodSync(slot.workspace, 0o700);
  if (options.select === undefined && isOutputEmpty(slot.workspace)) return { files: 0, skipped: 0 };
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(packTimeoutMs)]);
  const wall = await buildPackingWall(slot, foundation, options.select === undefined ? 'output' : 'workspace');
  signal.addEventListener('abort', wall.kill);
  try {
    return await untilAborted(carryOut(wall, slot, { ...options, signal }), signal);
  } finally {
    signal.removeEventListener('abort', wall.kill);
    await endWall(wall);
  }
}

async function buildPackingWall(
  slot: Slot,
  foundation: Foundation,
  scope: 'output' | 'workspace',
): Promise<StandingWall> {
  slot.forget();
  const steps = [
    { name: 'list', argv: listCommand(scope), mayFail: true as const },
    { name: 'pack', argv: [...tarCommand, '--verbatim-files-from', '-T', '-', '-f', '-'] },
  ];
  slot.writeProgram(programScript({ steps, env: {} }, packLimits));
  return buildWall(slot, {
    ...foundation,
    seccomp: foundation.shared.seccomp,
    door: false,
    beforeBuilding: async () => undefined,
    mounts: {
      ...foundation.shared,
      readOnly: [...givenTo(slot)],
      workspace: { from: slot.workspace, writable: false },
    },
  });
}

async function carryOut(wall: StandingWall, slot: Slot, options: CollectOptions): Promise<Collected> {
  const listing = createListing();
  const sink = { take: (chunk: Buffer): void | Promise<void> => listing.push(chunk) };
  wall.stdout.listen((chunk) => sink.take(chunk), wall.kill);
  wall.stderr.listen(() => undefined, wall.kill);
  wall.handshake.send(words.go);
  await expectWord(wall, words.started);
  await expectWord(wall, words.stepEnded);
  await wall.stdout.drained();
  const wanted = await selected(listing.files, options.select);
  // Choosing may take long. Where nobody waited for it, the slot may be another run's by now.
  options.signal.throwIfAborted();
  const { chosen, skipped } = chooseFitting(wanted, options);
  if (chosen.length === 0) return { files: 0, skipped: skipped + listing.notKept() };
  slot.writeStdin(Buffer.concat(chosen.flatMap(({ name }) => [name, Buffer.of(0)])));
  const unpacking = await unpack(options);
  sink.take = unpacking.push;
  wall.handshake.send(words.next);
  const files = await Promise.race([wall.stdout.ended.then(unpacking.end), unpacking.failed]);
  return { files, skipped: skipped + listing.notKept() };
}

async function expectWord(wall: StandingWall, word: string): Promise<void> {
  if ((await wall.handshake.next()) !== word) {
    throw new RunyardError('backend_error', 'What the program left could not be listed: its wall ended too early.');
  }
}

async function endWall(wall: StandingWall): Promise<void> {
  wall.kill();
  wall.handshake.end();
  wall.stdout.destroy();
  wall.stderr.destroy();
  await wall.exited;
}

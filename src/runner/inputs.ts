import { createHash, randomUUID } from 'node:crypto';
import { RunyardError } from '../contracts/errors.ts';
import { singleFileEntry, tarBytesMax } from '../contracts/inputs.ts';
import { keys } from '../contracts/keys.ts';
import { type Wall, type WallEnd, wallPaths } from '../contracts/sandbox.ts';
import type { Store } from '../contracts/store.ts';
import type { RunError } from '../contracts/task.ts';
import { unzstd } from '../lib/unzstd.ts';
import { hasZstd, nodesWithZstd } from '../lib/zstd.ts';
import type { ProgramLayer } from './program-layer.ts';
import type { RunContext } from './run-context.ts';

export interface SealedInput {
  readonly name: string;
  /** `sha256:HEX`. */
  readonly from: string;
}

/**
 * What the caller brought along: laid into the wall as it lies in the store, and unpacked there, below `input/`, as the
 * program's first step. Here it is only read: its hash is compared, and how much it unpacks to is counted.
 */
export function inputsLayer(
  inputs: readonly SealedInput[],
  { task: { owner }, store, stop }: Pick<RunContext, 'task' | 'store' | 'stop'>,
): ProgramLayer {
  const folder = `.runyard-${randomUUID().slice(0, 8)}`;
  return {
    stepsBefore: 1,
    around: (program) => ({
      ...program,
      steps: [
        {
          name: 'inputs',
          argv: ['/bin/bash', '-c', unpackScript, 'inputs', folder, unpackProgram, ...inputs.map(({ name }) => name)],
        },
        ...program.steps,
      ],
      stdinStep: (program.stdinStep ?? program.steps.length - 1) + 1,
    }),
    async lay(place) {
      for (const input of inputs) await layOne(input, { folder, owner, store, stop, place });
    },
    endOfProgram(end: WallEnd, stderr: string) {
      if (end.lastStep === 0 && end.cause === 'exited') return { end, error: notUnpacked(stderr) };
      return { end: { ...end, lastStep: Math.max(0, end.lastStep - 1) } };
    },
  };
}

// --- Internal helpers ---

const partBytes = 8 * 1024 * 1024;

/** Standard input to standard output. */
const unpackProgram = `${unzstd}
const { createZstdDecompress } = require('node:zlib');
require('node:stream').pipeline(process.stdin, (packed) => unzstd(packed, createZstdDecompress), process.stdout, (error) => {
  if (error) console.error(error.message), process.exit(1);
});`;

/** Each part goes as soon as it was read, so that the workspace never holds both forms of it. */
const unpackScript = `set -euo pipefail
folder=$1 unpack=$2
shift 2
mkdir -p input
for name in "$@"; do
  [ ! -e "input/$name" ] || { echo "input/$name is there already" >&2; exit 1; }
  mkdir -p "input/$name"
  for part in "$folder/$name"/*; do cat "$part"; rm "$part"; done |
    ${wallPaths.node} -e "$unpack" |
    tar -x --no-same-owner --no-same-permissions -C "input/$name" -f -
  if [ -f "input/$name/${singleFileEntry}" ]; then
    mv "input/$name/${singleFileEntry}" "$folder/file"
    rmdir "input/$name"
    mv "$folder/file" "input/$name"
  fi
done
rm -r "$folder"`;

interface Laying {
  readonly folder: string;
  readonly owner: string;
  readonly store: Pick<Store, 'read'>;
  readonly stop: AbortSignal;
  readonly place: Wall['place'];
}

async function layOne({ name, from }: SealedInput, { folder, owner, store, stop, place }: Laying): Promise<void> {
  const sha256 = from.slice('sha256:'.length);
  const parts = async function* () {
    for (let number = 0, offset = 0; ; number++) {
      // A large input takes minutes, and whoever cancels does not wait for it.
      stop.throwIfAborted();
      const part = await store.read(keys.input(owner, sha256), { offset, length: partBytes });
      if (part === undefined) throw new RunyardError('not_found', `The input ${name} is not in the store any more.`);
      if (part.length === 0) return;
      offset += part.length;
      await place([{ path: `${folder}/${name}/${String(number).padStart(6, '0')}`, content: part }]);
      yield part;
    }
  };
  if ((await hashOfTar(parts(), name)) !== sha256)
    throw new RunyardError('backend_error', `The input ${name} was changed in the store.`, { hint: 'Bring it again.' });
}

async function hashOfTar(packed: AsyncIterable<Uint8Array>, name: string): Promise<string> {
  if (!(await hasZstd())) {
    const message = `The input ${name} cannot be unpacked: that needs Node.js ${nodesWithZstd}, and this runner has ${process.versions.node}.`;
    throw new RunyardError('backend_error', message, { retryable: false });
  }
  const { createZstdDecompress } = await import('node:zlib');
  const hash = createHash('sha256');
  let bytes = 0;
  const count = async (tar: AsyncIterable<Buffer>) => {
    for await (const chunk of tar) {
      bytes += chunk.length;
      if (bytes > tarBytesMax)
        throw new RunyardError('invalid_request', `The input ${name} unpacks to more than 4 GiB.`);
      hash.update(chunk);
    }
  };
  try {
    await count(unzstd(packed, createZstdDecompress));
  } catch (error) {
    if (error instanceof RunyardError) throw error;
    throw new RunyardError('backend_error', `The input ${name} cannot be unpacked: it was changed in the store.`, {
      cause: error,
    });
  }
  return hash.digest('hex');
}

function notUnpacked(stderr: string): RunError {
  const last = stderr.trim().split('\n').at(-1)?.slice(0, 200) ?? '';
  return { code: 'invalid_request', message: `The inputs could not be unpacked in the sandbox: ${last}` };
}

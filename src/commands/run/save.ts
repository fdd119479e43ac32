import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, normalize, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import type { Caller } from '../../contracts/caller.ts';
import { RunyardError } from '../../contracts/errors.ts';
import type { TaskOutput } from '../../contracts/task-output.ts';
import type { TaskService } from '../../contracts/task-service.ts';

/**
 * Writes what a task came to into its own folder: `result.json`, and its artifacts beside it under their own paths. Throws
 * what the store throws, and `backend_error` where the disk does not take it.
 */
export async function saveTask(
  folder: string,
  output: TaskOutput,
  caller: Caller,
  tasks: Pick<TaskService, 'artifact'>,
): Promise<void> {
  try {
    await save(folder, output, caller, tasks);
  } catch (cause) {
    if (cause instanceof RunyardError) throw cause;
    const why = cause instanceof Error && 'code' in cause ? ` (${cause.code})` : '';
    const message = `${output.task_id} ${output.status}, but what it left cannot be written to ${folder}${why}.`;
    throw new RunyardError('backend_error', message, { cause });
  }
}

export const resultName = 'result.json';

// --- Internal helpers ---

async function save(
  folder: string,
  output: TaskOutput,
  caller: Caller,
  tasks: Pick<TaskService, 'artifact'>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const unfinished = join(folder, `.${randomUUID()}.part`);
  const several = output.runs !== undefined;
  for (const { run = 0, path } of artifacts.parse(output.artifacts ?? [])) {
    const target = placeOf(folder, several ? join(`run-${run}`, path) : path);
    await mkdir(dirname(target), { recursive: true });
    await writeWhole(target, unfinished, bytesOf(output.task_id, run, path, caller, tasks));
  }
  // Last and at once: where it stands, everything beside it is whole.
  const text = `${JSON.stringify(output, null, 2)}\n`;
  await writeWhole(join(folder, resultName), unfinished, [Buffer.from(text)]);
}

const artifacts = z.array(z.object({ run: z.int().optional(), path: z.string() }));
const chunkBytes = 4 * 1024 * 1024;

/** Paths come out of a sandbox: none leads out of the folder, and none takes the place of the result. */
function placeOf(folder: string, path: string): string {
  const target = join(folder, ...normalize(`${sep}${path}`).split(sep).map(nameOf));
  return target === join(folder, resultName) ? join(folder, 'artifacts', resultName) : target;
}

const nameBytesMax = 255;
const beginningBytes = 200;

/** What a file system takes as a name: where bytes of an artifact's own are escaped, it is too long for one. */
function nameOf(segment: string): string {
  if (Buffer.byteLength(segment) <= nameBytesMax) return segment;
  const hash = createHash('sha256').update(segment).digest('hex').slice(0, 16);
  return `${Buffer.from(segment).toString('utf8', 0, beginningBytes)}~${hash}`;
}

async function* bytesOf(
  id: string,
  run: number,
  path: string,
  caller: Caller,
  tasks: Pick<TaskService, 'artifact'>,
): AsyncGenerator<Buffer> {
  for (let offset = 0, size = 1; offset < size; ) {
    const { artifact, bytes } = await tasks.artifact(id, caller, { run, path, offset, length: chunkBytes });
    size = artifact.sizeBytes;
    if (bytes.length === 0 && offset < size)
      throw new RunyardError('backend_error', `The store has only ${offset} of ${size} bytes of ${path}.`);
    offset += bytes.length;
    yield bytes;
  }
}

/** `unfinished`: a name of no artifact, in the same folder for all of them. */
async function writeWhole(
  target: string,
  unfinished: string,
  content: AsyncIterable<Buffer> | Iterable<Buffer>,
): Promise<void> {
  try {
    await writeFile(unfinished, '');
    await pipeline(Readable.from(content), createWriteStream(unfinished));
    await rename(unfinished, target);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

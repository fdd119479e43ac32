import { createWriteStream } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join, normalize, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import type { Caller } from '../../contracts/caller.ts';
import { RunyardError } from '../../contracts/errors.ts';
import type { TaskOutput } from '../../contracts/task-output.ts';
import type { TaskService } from '../../contracts/task-service.ts';

/** Writes what a task came to into its own folder: `result.json`, and its artifacts beside it under their own paths. */
export async function saveTask(
  folder: string,
  output: TaskOutput,
  caller: Caller,
  tasks: Pick<TaskService, 'artifact'>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const several = output.runs !== undefined;
  for (const { run = 0, path } of artifacts.parse(output.artifacts ?? [])) {
    const target = placeOf(folder, several ? join(`run-${run}`, path) : path);
    await mkdir(dirname(target), { recursive: true });
    await writeWhole(target, bytesOf(output.task_id, run, path, caller, tasks));
  }
  // Last and at once: where it stands, everything beside it is whole.
  await writeWhole(join(folder, resultName), [Buffer.from(`${JSON.stringify(output, null, 2)}\n`)]);
}

export const resultName = 'result.json';

// --- Internal helpers ---

const artifacts = z.array(z.object({ run: z.int().optional(), path: z.string() }));
const chunkBytes = 4 * 1024 * 1024;

/** Paths come out of a sandbox: none leads out of the folder, and none takes the place of the result. */
function placeOf(folder: string, path: string): string {
  const target = join(folder, normalize(`${sep}${path}`));
  return target === join(folder, resultName) ? join(folder, 'artifacts', resultName) : target;
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

async function writeWhole(target: string, content: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> {
  const unfinished = `${target}.part`;
  await writeFile(unfinished, '');
  await pipeline(Readable.from(content), createWriteStream(unfinished));
  await rename(unfinished, target);
}

import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Artifact } from '../contracts/artifact.ts';
import { keys } from '../contracts/keys.ts';
import { limits } from '../contracts/limits.ts';
import type { CollectedFile } from '../contracts/sandbox.ts';
import type { Store } from '../contracts/store.ts';
import type { TaskRecord } from '../contracts/task.ts';

/** Stores one file that a program left, hashing it on the way. */
export async function keepArtifact(
  store: Store,
  task: TaskRecord,
  run: number,
  file: CollectedFile,
): Promise<Artifact> {
  // Its table of types is larger than the rest of the runner's code.
  const { lookup } = await import('mime-types');
  const hash = createHash('sha256');
  const begin: Buffer[] = [];
  let kept = 0;
  async function* pass() {
    for await (const chunk of file.content) {
      hash.update(chunk);
      if (kept <= limits.artifactTextBytes) begin.push(Buffer.from(chunk));
      kept += chunk.length;
      yield chunk;
    }
  }
  await store.create(keys.artifact(task.id, run, file.path), pass());
  const sample = Buffer.concat(begin);
  const isText = kept <= limits.artifactTextBytes && isUtf8(sample) && !sample.includes(0);
  return {
    path: file.path,
    sizeBytes: file.sizeBytes,
    sha256: hash.digest('hex'),
    mimeType:
      lookup(file.path) ||
      (isUtf8(sample.subarray(0, kept)) && !sample.includes(0) ? 'text/plain' : 'application/octet-stream'),
    ...(isText ? { text: sample.toString('utf8') } : {}),
  };
}

import { join } from 'node:path';
import { RunyardError } from '../../contracts/errors.ts';
import type { PlacedFile } from '../../contracts/sandbox.ts';
import type { Container } from './container.ts';
import { runErrand } from './errand.ts';

/** The files of one wall. What is in them lies in its container alone; kept here is which there are. */
export interface Placing {
  /** Throws `invalid_request` for a path outside of the workspace, `sandbox_unavailable` where one cannot be written. */
  place(container: Container, files: readonly PlacedFile[]): Promise<void>;
  /**
   * Gives another container what the first was given, one file after the other, before anything untrusted has run in
   * either. Ends early once nobody needs it any more.
   */
  carryOver(from: Container, to: Container, needless: AbortSignal): Promise<void>;
}

export function createPlacing(): Placing {
  const placed = new Map<string, { readonly mode: number; readonly sizeBytes: number }>();
  return {
    place: async (container, files) => {
      for (const { path, content, mode = usualMode } of files) {
        const inside = pathInside(path);
        await write(container, { path: inside, content, mode });
        placed.set(inside, { mode, sizeBytes: content.length });
      }
    },
    carryOver: async (from, to, needless) => {
      for (const [path, { mode, sizeBytes }] of placed) {
        if (needless.aborted) return;
        await write(to, { path, content: await readBack(from, path, sizeBytes), mode });
      }
    },
  };
}

const usualMode = 0o644;

function pathInside(path: string): string {
  // Half a surrogate pair is no text to pid 1, and no name of a file.
  const inside = join(path).toWellFormed();
  if (inside.startsWith('/') || inside === '..' || inside.startsWith('../') || inside.includes('\0')) {
    throw new RunyardError('invalid_request', 'A file lies outside of the workspace.');
  }
  return inside;
}

async function write(container: Container, { path, content, mode }: Required<PlacedFile>): Promise<void> {
  const answer = await container.ask({ order: 'place', path, mode, bytes: content.length }, content);
  if (answer?.answer === 'done') return;
  throw notPlaced(answer?.answer === 'failed' ? answer.reason : 'Its container has ended.');
}

/** Whole: it was held whole when it was placed. */
async function readBack(container: Container, path: string, sizeBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  container.listen({ output: (stream, chunk) => void (stream === 'stdout' && chunks.push(chunk)) });
  // It may have been placed for nobody to read.
  await runErrand(container, ['/bin/bash', '-c', 'chmod u+r -- "$0" && exec cat -- "$0"', path]);
  const content = Buffer.concat(chunks);
  if (content.length !== sizeBytes) throw notPlaced('It could not be carried over to the container that runs it.');
  return content;
}

function notPlaced(reason: string): RunyardError {
  return new RunyardError('sandbox_unavailable', `A file could not be placed in the sandbox. ${reason}`);
}

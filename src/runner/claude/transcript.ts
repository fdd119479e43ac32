import type { Artifact } from '../../contracts/artifact.ts';
import { cutLine, transcriptPath } from '../../contracts/conversation.ts';
import { asRunyardError } from '../../contracts/errors.ts';
import { limits } from '../../contracts/limits.ts';
import type { RunError } from '../../contracts/task.ts';
import type { RunContext } from '../run-context.ts';

/** What claude and its agents said, did and saw, in order. */
export interface Transcript {
  /** One message as claude printed it, without its line break. */
  add(message: string): void;
  /** All that fitted, and, where that is not all, a last line that says so. */
  bytes(): Buffer;
}

/** Once a message does not fit, none does: a conversation with a hole would be another one. */
export function createTranscript(bytesMax: number = limits.transcriptBytesMax): Transcript {
  const kept: Buffer[] = [];
  let bytes = 0;
  let leftOut = 0;
  return {
    add(message) {
      const line = Buffer.from(`${message}\n`);
      if (leftOut > 0 || bytes + line.length > bytesMax) {
        leftOut++;
        return;
      }
      kept.push(line);
      bytes += line.length;
    },
    bytes: () => Buffer.concat([...kept, ...(leftOut === 0 ? [] : [Buffer.from(`${cutLine(leftOut)}\n`)])]),
  };
}

/** The artifacts with the transcript among them, whatever became of the run. */
export async function withTranscript(
  artifacts: readonly Artifact[],
  transcript: Transcript,
  context: RunContext,
): Promise<{ readonly artifacts: Artifact[]; readonly fault?: RunError }> {
  const bytes = transcript.bytes();
  if (bytes.length === 0) return { artifacts: [...artifacts] };
  try {
    const file = { path: transcriptPath, sizeBytes: bytes.length, content: once(bytes) };
    // It would stand in every answer again.
    const { text: _, ...kept } = await context.keepArtifact(file);
    return { artifacts: [...artifacts, kept].sort((a, b) => (a.path < b.path ? -1 : 1)) };
  } catch (error) {
    context.warn(error, 'a transcript could not be kept');
    const { code, message } = asRunyardError(error);
    return { artifacts: [...artifacts], fault: { code, message: `The transcript could not be kept. ${message}` } };
  }
}

// --- Internal helpers ---

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

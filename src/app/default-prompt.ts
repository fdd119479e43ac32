import type { Config } from '../config.ts';
import { RunyardError } from '../contracts/errors.ts';
import { limits } from '../contracts/limits.ts';
import type { OperatorDefaults } from '../contracts/operator.ts';
import type { Secrets } from '../contracts/secrets.ts';
import { once } from '../lib/once.ts';
import { bytesIfThere } from '../lib/read-if-there.ts';
import { untilAborted } from '../lib/until-aborted.ts';

/** The operator's default prompt, from where it stands at the moment. An empty one is none. */
export function defaultPromptOf(config: Config, secrets: Secrets): OperatorDefaults['systemPrompt'] {
  const { systemPrompt: place } = config;
  if (place === undefined) return async () => undefined;
  // A secret fails in words of its own.
  if (place.kind === 'secret') return async (signal) => checked(await secrets.read(place.reference, signal));
  const read =
    place.kind === 'file' ? (signal: AbortSignal) => bytesIfThere(place.path, signal) : objectReader(place, config);
  return async (signal) => checked(textOf(await bytesOf(read, signal)));
}

// --- Internal helpers ---

type ReadBytes = (signal: AbortSignal) => Promise<Buffer | undefined>;

async function bytesOf(read: ReadBytes, signal: AbortSignal): Promise<Buffer> {
  try {
    const bytes = await untilAborted(read(signal), signal);
    if (bytes !== undefined) return bytes;
  } catch (cause) {
    const said = cause instanceof RunyardError ? cause.message : 'The place cannot be read.';
    throw unusable(signal.aborted ? 'No answer came in time.' : said, cause);
  }
  throw unusable('There is none that this server can see.');
}

/** With the credentials of the server; the bucket may be another than that of the tasks. */
function objectReader(
  { bucket, name }: { readonly bucket: string; readonly name: string },
  { cloud }: Config,
): ReadBytes {
  const load = once(async () => {
    const { createGcsStore } = await import('../store/gcs/index.ts');
    // Without a place in the cloud there is no such setting.
    return createGcsStore({ project: cloud!.project, bucket, endpoint: cloud!.endpoints.storage });
  });
  return async () => (await load()).read(name, { offset: 0, length: limits.promptBytesMax + 1 });
}

function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw unusable('It is no text in UTF-8.', cause);
  }
}

function checked(text: string): string | undefined {
  if (Buffer.byteLength(text) > limits.promptBytesMax) throw unusable('It is larger than 1 MiB.');
  if (text.includes('\0')) throw unusable('It holds a NUL character.');
  return text.trim() === '' ? undefined : text;
}

function unusable(why: string, cause?: unknown): RunyardError {
  return new RunyardError(
    'backend_error',
    `The operator's default prompt cannot be read, so nothing was started. ${why}`,
    {
      hint: 'Ask the operator to mend what RUNYARD_SYSTEM_PROMPT names; no restart is needed.',
      cause,
    },
  );
}

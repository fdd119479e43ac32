import type { EventEmitter } from 'node:events';
import type { Bucket } from '@google-cloud/storage';
import type { ByteRange } from '../../contracts/store.ts';
import { base64OfCrc32c, crc32c } from '../../lib/crc32c.ts';
import { statusOfFailure, TransientError } from '../../lib/google.ts';

/** The answer, as the client gives it before its first byte. */
interface Answer extends EventEmitter {
  readonly headers: Readonly<Record<string, string>>;
  readonly request: { agent?: unknown };
}

export interface DownloadOptions {
  readonly range: ByteRange | undefined;
  /** It fails where no byte comes for so long. */
  readonly silenceMs: number;
}

/** One attempt at the object's bytes, or those of `range`; a range past the object's end is empty. */
export async function download(bucket: Bucket, name: string, { range, silenceMs }: DownloadOptions): Promise<Buffer> {
  const { offset = 0, length } = range ?? {};
  try {
    // The last byte is named, so a range of none is asked for as one byte.
    const asked = length === undefined ? {} : { start: offset, end: offset + Math.max(length, 1) - 1 };
    const { bytes, expected } = await fetchBytes(bucket, name, asked, silenceMs);
    if (length !== undefined) return bytes.subarray(0, length);
    if (expected !== undefined && expected !== base64OfCrc32c(crc32c(bytes))) throw new TransientError(damaged);
    return bytes;
  } catch (error) {
    if (statusOfFailure(error) === 416) return Buffer.alloc(0);
    throw error;
  }
}

const damaged = 'the bytes that arrived are not those that were stored';

/** The bytes, and the checksum that the whole object has by Google's word. */
function fetchBytes(
  bucket: Bucket,
  name: string,
  asked: { start?: number; end?: number },
  silenceMs: number,
): Promise<{ bytes: Buffer; expected: string | undefined }> {
  const stream = bucket.file(name).createReadStream({ ...asked, validation: false, decompress: false });
  const state = { hasAnswer: false, isGivenUp: false };
  let silent: NodeJS.Timeout | undefined;
  return new Promise<{ bytes: Buffer; expected: string | undefined }>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let expected: string | undefined;
    silent = setTimeout(() => {
      reject(new TransientError('no more bytes came'));
      state.isGivenUp = true;
      // Not before the answer: the client would fail on it outside of any promise, which ends the process.
      if (state.hasAnswer) stream.destroy();
    }, silenceMs);
    stream.on('response', (answer: Answer) => {
      state.hasAnswer = true;
      if (state.isGivenUp) setImmediate(() => stream.destroy());
      expected = /crc32c=([^,\s]+)/.exec(answer.headers['x-goog-hash'] ?? '')?.[1];
      // Where bytes stop coming, the client destroys the agent, and with it every other request that is under way.
      answer.request.agent = undefined;
      // It listens more often than Node thinks right, and every read would be worth two warnings on stderr.
      answer.setMaxListeners(0);
    });
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      silent?.refresh();
    });
    stream.on('error', reject);
    stream.on('end', () => resolve({ bytes: Buffer.concat(chunks), expected }));
  }).finally(() => clearTimeout(silent));
}

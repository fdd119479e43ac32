import type { GoogleAuth } from 'google-auth-library';
import { z } from 'zod';
import { RunyardError } from '../../contracts/errors.ts';
import type { Created } from '../../contracts/store.ts';
import { base64OfCrc32c, crc32c } from '../../lib/crc32c.ts';
import { TransientError } from '../../lib/google.ts';
import type { Insist } from './access.ts';
import type { Block } from './blocks.ts';
import { type Creation, createWhole, settle, takenAt, type Unsettled } from './create.ts';
import { isTaken } from './failures.ts';

/**
 * Creates an object of any size with one block of it in memory: in one request where it is one block, else by a resumable
 * upload. A spool file would be no better for those, because on Cloud Run the disk is memory. Google's client begins the
 * upload, but its own way to carry one on takes up nothing after a failure once its retries are off, so the blocks are
 * sent here, with its credentials. Nobody sees the object before the last block, and an upload that is left unfinished
 * vanishes by itself.
 */
export async function createOfBlocks(
  creation: Creation,
  blocks: AsyncIterable<Block>,
  insist: Insist,
): Promise<Created> {
  let send: SendBlock | undefined;
  let outcome: Created | undefined;
  let crc = 0;
  // All of the source is read, whatever has come of the object: who gave it counts on having seen its end.
  for await (const block of blocks) {
    if (block.isLast && block.offset === 0) return createWhole(creation, block.bytes, insist);
    if (outcome !== undefined) continue;
    crc = crc32c(block.bytes, crc);
    send ??= await beginUpload(creation, insist);
    outcome = send === undefined ? 'exists' : await send(block, base64OfCrc32c(crc));
  }
  if (outcome === undefined) throw broken('ended before its last block');
  return outcome;
}

/** `checksum` is that of all bytes up to the end of this block. Undefined where there is more to come. */
type SendBlock = (block: Block, checksum: string) => Promise<Created | undefined>;

/** Undefined where an object stands under the name already: to begin changes nothing, so it is not ours. */
async function beginUpload(creation: Creation, insist: Insist): Promise<SendBlock | undefined> {
  const { file, metadata } = creation;
  const url = await insist(async () => {
    try {
      return (await file.createResumableUpload({ metadata, preconditionOpts: { ifGenerationMatch: 0 } }))[0];
    } catch (error) {
      if (isTaken(error)) return undefined;
      throw error;
    }
  });
  if (url === undefined) return undefined;
  const put = putTo(file.storage.authClient, url);
  return async (block, checksum) => {
    const outcome = await insist((attempt, signal) => sendBlock((part) => put(part, signal), block, checksum, attempt));
    if (outcome === 'unsettled') return settle(creation, insist);
    if (outcome !== 'gone') return outcome;
    if (block.isLast && (await settle(creation, insist)) === 'created') return 'created';
    throw broken('was forgotten');
  };
}

async function sendBlock(
  put: (part: Part) => Promise<State>,
  { bytes, offset, isLast }: Block,
  checksum: string,
  attempt: number,
): Promise<Created | Unsettled | 'gone' | undefined> {
  const end = offset + bytes.length;
  const total = isLast ? end : undefined;
  // An attempt whose answer was lost may have left some of the block, all of it, or the whole object.
  let state = attempt === 0 ? stateAt(offset) : await put({ total });
  while (state.kind === 'incomplete' && (state.stored < end || isLast)) {
    const from = state.stored;
    if (from < offset) throw broken('lost bytes that it had taken');
    state = await put({ from, bytes: bytes.subarray(from - offset), total, checksum: isLast ? checksum : undefined });
    if (state.kind === 'incomplete' && state.stored <= from) throw new TransientError('an upload makes no headway');
  }
  if (state.kind === 'incomplete') return undefined;
  if (state.kind === 'gone') return 'gone';
  if (state.kind === 'taken') return takenAt(attempt);
  if (state.crc32c !== checksum || !isLast) throw broken('left something else than what was sent');
  return 'created';
}

/** The source cannot be read again, so it is for the caller to begin anew. */
function broken(how: string): RunyardError {
  return new RunyardError('backend_error', `An upload to Cloud Storage ${how}.`, { hint: 'Send the object again.' });
}

/** Bytes from an offset on, or none to ask where the upload stands. `total` is told with the last ones. */
interface Part {
  readonly from?: number;
  readonly bytes?: Uint8Array;
  readonly total: number | undefined;
  readonly checksum?: string | undefined;
}

function putTo(auth: GoogleAuth, url: string) {
  return async (part: Part, signal: AbortSignal): Promise<State> => {
    const { from = 0, bytes = new Uint8Array(), total = '*', checksum } = part;
    const range = bytes.length === 0 ? '*' : `${from}-${from + bytes.length - 1}`;
    const answer = await auth.request<string>({
      method: 'PUT',
      url,
      headers: {
        'Content-Range': `bytes ${range}/${total}`,
        'Content-Type': 'application/octet-stream',
        ...(checksum === undefined ? {} : { 'X-Goog-Hash': `crc32c=${checksum}` }),
      },
      data: bytes,
      responseType: 'text',
      signal,
      retry: false,
      validateStatus: () => true,
      // It looks at every byte of what was sent, for a second and a half a block. Our errors keep nothing of the request.
      errorRedactor: false,
    });
    return stateOf(answer);
  };
}

/** Where an upload stands by Google's word. */
type State =
  | { readonly kind: 'incomplete'; readonly stored: number }
  | { readonly kind: 'complete'; readonly crc32c: string }
  | { readonly kind: 'taken' }
  /** Given up, or finished so long ago that Google has forgotten it. */
  | { readonly kind: 'gone' };

const stateAt = (stored: number): State => ({ kind: 'incomplete', stored });

const storedObject = z.object({ crc32c: z.string() });

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly data: string;
}

function stateOf({ status, headers, data }: Answer): State {
  if (status === 200 || status === 201) return { kind: 'complete', ...storedObject.parse(JSON.parse(data)) };
  if (status === 308) return stateAt(Number(/-(\d+)$/.exec(headers.get('range') ?? '')?.[1] ?? -1) + 1);
  if (status === 404 || status === 410) return { kind: 'gone' };
  const failure = Object.assign(new Error(data), { status });
  if (isTaken(failure)) return { kind: 'taken' };
  throw failure;
}

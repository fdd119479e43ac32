import type { IncomingMessage } from 'node:http';

export interface ArrivalLimits {
  /** For the whole request. */
  readonly wholeMs: number;
  /** Between two pieces of an upload, of which nobody knows how large it is. */
  readonly silenceMs: number;
}

export const arrivalLimits: ArrivalLimits = { wholeMs: 120_000, silenceMs: 120_000 };

/**
 * Watches over a body that is on its way: calls `late` where it does not arrive in time. How long its answer takes is not
 * limited here.
 */
export function limitArrival(
  request: IncomingMessage,
  isUpload: boolean,
  late: () => void,
  { wholeMs, silenceMs }: ArrivalLimits = arrivalLimits,
): void {
  if (!hasBody(request)) return;
  const unlessThere = () => {
    if (!request.complete) late();
  };
  if (isUpload) {
    // Of the socket, so that nothing of the body is taken here.
    request.setTimeout(silenceMs, unlessThere);
    request.once('end', () => request.setTimeout(0));
    return;
  }
  const timer = setTimeout(unlessThere, wholeMs);
  timer.unref();
  request.once('close', () => clearTimeout(timer));
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

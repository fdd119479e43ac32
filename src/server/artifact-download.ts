import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { RunyardError } from '../contracts/errors.ts';
import type { TaskService } from '../contracts/task-service.ts';
import type { RestRequest } from './rest-request.ts';

const chunkBytes = 1024 * 1024;

/** Sends a file of untrusted making: as a download that no browser opens or guesses about. */
export async function sendArtifact(
  { response, caller, gone }: RestRequest,
  { id, run, path }: { readonly id: string; readonly run: number; readonly path: string },
  tasks: Pick<TaskService, 'artifact'>,
): Promise<void> {
  const read = (offset: number) => tasks.artifact(id, caller, { run, path, offset, length: chunkBytes });
  const { artifact, bytes: first } = await read(0);
  response.writeHead(200, {
    'Content-Type': artifact.mimeType,
    'Content-Length': artifact.sizeBytes,
    'Content-Disposition': attachment(path),
    'Content-Security-Policy': "sandbox; default-src 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'private, no-store',
    ETag: `"${artifact.sha256}"`,
  });
  let sent = 0;
  for (let bytes = first; bytes.length > 0 && !gone.aborted; bytes = (await read(sent)).bytes) {
    await write(response, bytes, gone);
    sent += bytes.length;
    if (sent >= artifact.sizeBytes) break;
  }
  // Whoever was promised more is not left to wait for it, and the log says why.
  if (sent < artifact.sizeBytes && !gone.aborted)
    throw new RunyardError('backend_error', `The store has only ${sent} bytes of ${path}.`);
  response.end();
}

async function write(response: ServerResponse, bytes: Buffer, gone: AbortSignal): Promise<void> {
  if (!response.write(bytes)) await once(response, 'drain', { signal: gone });
}

/** RFC 6266: a plain name for old clients, the real one percent-encoded. */
function attachment(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const plain = name.replace(/[^\w.-]/g, '_');
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

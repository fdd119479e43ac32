import { z } from 'zod';
import type { TaskId } from './ids.ts';

/** A file a run left behind. `path` counts from the working directory; bytes that are no UTF-8 stand as `\xNN`. */
export const artifact = z.object({
  path: z.string(),
  sizeBytes: z.int().min(0),
  sha256: z.string(),
  mimeType: z.string(),
  /** The content of a text file of at most `limits.artifactTextBytes`. */
  text: z.string().optional(),
});
export type Artifact = z.infer<typeof artifact>;

export function artifactUri(id: TaskId, run: number, path: string): string {
  return `runyard://tasks/${id}/runs/${run}/artifacts/${path.split('/').map(encodeURIComponent).join('/')}`;
}

/** The parts of a uri of `artifactUri`; undefined where it is none. */
export function parseArtifactUri(uri: string): { id: TaskId; run: number; path: string } | undefined {
  const match = /^runyard:\/\/tasks\/([^/]+)\/runs\/(\d{1,4})\/artifacts\/(.+)$/.exec(uri);
  if (match === null) return undefined;
  try {
    return { id: match[1]!, run: Number(match[2]), path: match[3]!.split('/').map(decodeURIComponent).join('/') };
  } catch {
    return undefined;
  }
}

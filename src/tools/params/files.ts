import { posix } from 'node:path';
import { z } from 'zod';
import { limits } from '../../contracts/limits.ts';
import type { InlineFile } from '../../contracts/task.ts';

const pathBytesMax = limits.artifactPathBytesMax;
const segmentBytesMax = 255;
const filesMax = 1000;

/** A path below the working directory, normalised. */
export const relativePath = z
  .string()
  .check((context) => {
    const fault = pathFault(context.value);
    if (fault !== undefined) context.issues.push({ code: 'custom', message: fault, input: context.value });
  })
  .transform((path) => posix.normalize(path));

export function pathFault(path: string): string | undefined {
  if (path === '') return 'must not be empty';
  if (path.includes('\0')) return 'holds a NUL character';
  if (/\p{Cc}/u.test(path) || !path.isWellFormed()) return 'holds a control character';
  if (path.startsWith('/')) return 'must be relative, not absolute';
  if (path.split('/').includes('..')) return 'must not hold ".."';
  if (path.endsWith('/') || path.endsWith('/.') || posix.normalize(path) === '.')
    return 'must name a file, not a directory';
  if (Buffer.byteLength(path) > pathBytesMax) return `is longer than ${pathBytesMax} bytes`;
  return undefined;
}

/** A file system takes no longer ones. The path of an artifact has longer names, where their bytes are escaped. */
function hasShortNames(path: string): boolean {
  return path.split('/').every((name) => Buffer.byteLength(name) <= segmentBytesMax);
}

const file = z
  .strictObject({
    path: relativePath.refine(hasShortNames, `holds a name longer than ${segmentBytesMax} bytes`),
    content: z.string(),
    encoding: z.enum(['utf-8', 'base64']).default('utf-8'),
  })
  .check(({ value, issues }) => {
    const fault = contentFault(value);
    if (fault !== undefined) issues.push({ code: 'custom', message: fault, path: ['content'], input: value.content });
  });

function contentFault({ content, encoding }: InlineFile): string | undefined {
  if (encoding === 'base64') return isBase64(content) ? undefined : 'is not valid base64';
  return content.isWellFormed() ? undefined : 'is not valid Unicode';
}

/** Line breaks are let through: tools that wrap base64 are common. */
function isBase64(content: string): boolean {
  const dense = content.replace(/[\r\n]/g, '');
  return dense.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(dense);
}

/** Files for the working directory: relative, none twice, none in another's way, 8 MiB in all. */
export const files = z
  .array(file)
  .max(filesMax, `must hold at most ${filesMax} files`)
  .check(({ value, issues }) => {
    for (const [index, message] of collisions(value)) {
      issues.push({ code: 'custom', message, path: [index, 'path'], input: value[index]?.path });
    }
    if (
      value.reduce((sum, { content, encoding }) => sum + Buffer.byteLength(content, encoding), 0) >
      limits.inlineFilesBytesMax
    ) {
      issues.push({ code: 'custom', message: 'are larger than 8 MiB in all', input: undefined });
    }
  })
  .default([]);

/** The index of each file that stands in an earlier one's place, and why. */
function collisions(list: readonly InlineFile[]): [number, string][] {
  const paths = new Set<string>();
  const folders = new Set(['output']);
  return list.flatMap(({ path }, index): [number, string][] => {
    const above = foldersOf(path);
    const fault = faultAmong(path, above, paths, folders);
    paths.add(path);
    for (const folder of above) folders.add(folder);
    return fault === undefined ? [] : [[index, fault]];
  });
}

function faultAmong(
  path: string,
  above: readonly string[],
  paths: Set<string>,
  folders: Set<string>,
): string | undefined {
  if (paths.has(path)) return 'is given twice';
  if (folders.has(path)) return 'is a directory';
  if (above.some((folder) => paths.has(folder))) return 'lies below another file';
  return undefined;
}

function foldersOf(path: string): string[] {
  const segments = path.split('/');
  return segments.slice(1).map((_, index) => segments.slice(0, index + 1).join('/'));
}

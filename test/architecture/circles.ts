import { join, normalize } from 'node:path';
import type { SourceFile } from './source-files.ts';

type Importer = Pick<SourceFile, 'path' | 'imports'>;

/**
 * Circles of imports, one sentence each; none only where there is none. A type counts, and so does what is loaded
 * late: two files that name each other are one, or something of theirs belongs in a third.
 */
export function circlesOf(files: readonly Importer[]): string[] {
  const targets = new Map(files.map((file) => [file.path, targetsOf(file)]));
  const done = new Set<string>();
  const circles: string[] = [];
  const follow = (path: string, way: readonly string[]) => {
    const begin = way.indexOf(path);
    if (begin !== -1) circles.push(sentence([...way.slice(begin), path]));
    if (begin !== -1 || done.has(path)) return;
    for (const target of targets.get(path) ?? []) follow(target, [...way, path]);
    done.add(path);
  };
  for (const { path } of files) follow(path, []);
  return circles;
}

function targetsOf({ path, imports }: Importer): string[] {
  return imports.flatMap(({ specifier }) =>
    specifier?.startsWith('.') ? [normalize(join(path, '..', specifier))] : [],
  );
}

function sentence(circle: readonly string[]): string {
  return `${circle.join(' imports ')}: move what they share into a file of its own.`;
}

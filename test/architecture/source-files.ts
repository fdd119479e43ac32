import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Import, importsOf } from './imports.ts';
import { type Token, tokensOf } from './tokens.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceFile {
  /** Relative to the root, such as `src/tools/index.ts`. */
  readonly path: string;
  readonly source: string;
  readonly tokens: readonly Token[];
  readonly imports: readonly Import[];
}

/** Every `.ts` file below a folder of the root, in order. */
export function sourceFiles(folder: 'src' | 'test'): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => readSource(join(folder, path)));
}

/** Every folder that holds something, below and with `folder`. */
export function foldersOf(files: readonly SourceFile[]): string[] {
  return [...new Set(files.map(({ path }) => dirname(path)))];
}

function readSource(path: string): SourceFile {
  const source = readFileSync(join(root, path), 'utf8');
  return { path, source, ...scan(source) };
}

export function scan(source: string): Pick<SourceFile, 'tokens' | 'imports'> {
  const tokens = tokensOf(source);
  return { tokens, imports: importsOf(tokens) };
}

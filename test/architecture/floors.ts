import { builtinModules } from 'node:module';
import { join, normalize } from 'node:path';
import type { SourceFile } from './source-files.ts';

const ground = ['contracts', 'lib'];
const walls = ['sandbox/bubblewrap', 'sandbox/container', 'sandbox/cloud-run-launcher'];
const adapters = [
  'backends/local',
  'backends/cloud-run',
  'store',
  'seal',
  'secrets',
  'webhook',
  'inputs',
  'github',
  'sandbox',
  'sandbox/shared',
  ...walls,
  'gateway',
];
const below = ['config.ts', 'config', ...ground, ...adapters];

/**
 * What each part of `src/` may import besides itself (design: "Floors"). Imports go down only, siblings never meet,
 * a type import counts. The part of a file is the longest name here that its path begins with.
 */
export const floors: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['commands', 'app.ts', 'app', 'server', 'specs', 'tools', 'tasks', ...below],
  commands: ['app.ts', 'app', 'runner/main.ts', 'server', 'specs', 'tools', 'tasks', ...below],
  'app.ts': ['app', 'server', 'specs', 'tools', 'tasks', ...below],
  app: ['tools', 'tasks', ...below],
  'runner/main.ts': ['runner', ...below],
  server: ['tools', ...ground],
  specs: ['tools', ...ground],
  tools: ground,
  tasks: ground,
  runner: ground,
  ...Object.fromEntries(adapters.map((adapter) => [adapter, ground])),
  // `detect.ts` chooses among the walls; they know neither it nor each other, only what they have in common.
  sandbox: [...ground, ...walls],
  ...Object.fromEntries(walls.map((wall) => [wall, [...ground, 'sandbox/shared']])),
  'config.ts': ['config', ...ground],
  config: ground,
  contracts: [],
  lib: [],
};

export function partOf(path: string): string | undefined {
  const inside = path.replace(/^src\//, '');
  return Object.keys(floors)
    .filter((part) => inside === part || inside.startsWith(`${part}/`))
    .sort((a, b) => b.length - a.length)[0];
}

/** One sentence for each import of the file that goes where it may not; it says which way to go. */
export function wrongImports({ path, imports }: Pick<SourceFile, 'path' | 'imports'>): string[] {
  const part = partOf(path);
  if (part === undefined)
    return [`${path} belongs to no floor: move it, or give its folder a line in test/architecture/floors.ts.`];
  return imports.flatMap(({ specifier, line }) => {
    const where = `${path}:${line}`;
    if (specifier === undefined)
      return [`${where} computes what it imports: write the name out, so that it can be checked.`];
    if (!specifier.startsWith('.')) return [];
    const target = normalize(join(path, '..', specifier));
    const reached = target.startsWith('src/') ? partOf(target) : undefined;
    if (reached === part || (reached !== undefined && floors[part]?.includes(reached))) return [];
    return [`${where} imports ${target}: ${wayToGo(part, reached)}`];
  });
}

function wayToGo(part: string, reached: string | undefined): string {
  if (reached === undefined) return 'nothing in src/ imports what is outside of it.';
  const allowed = floors[part]!;
  const may = allowed.length === 0 ? 'nothing of src/ but itself' : `only ${allowed.join(', ')}`;
  if (part === 'lib')
    return `lib may import ${may}. What knows a noun of the project belongs to the floor of that noun.`;
  if (part === 'contracts')
    return `contracts may import ${may}. Move the noun into src/contracts, or the code up to the floor that uses both.`;
  return `${part} may import ${may}. Put what it needs of ${reached} behind an interface in src/contracts and let the composition root (src/app.ts, src/runner/main.ts) hand it in.`;
}

/** The npm package of a specifier; undefined for a file and for a module of node itself. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:') || builtinModules.includes(specifier))
    return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

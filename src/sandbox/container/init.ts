import { readFileSync } from 'node:fs';
import { wallPaths } from '../../contracts/sandbox.ts';
import { wallPath } from '../shared/environment.ts';
import { seccompProgram } from '../shared/seccomp/program.ts';

/** What a wall cannot do without, at these paths in every image. */
export const programsNeeded = [
  wallPaths.node,
  '/usr/bin/python3',
  '/bin/bash',
  '/usr/bin/tar',
  '/usr/bin/find',
] as const;

/** In the order in which they need each other; the last one begins. */
const modules = ['options', 'link', 'output', 'door', 'disk', 'kernel', 'guard', 'program', 'wall'] as const;

/** Makes modules of the texts that stand in the first argument. */
const loader = `import json,sys,types
for name,text in json.loads(sys.argv[1]).items():
 module=types.ModuleType(name);sys.modules[name]=module
 exec(compile(text,name+'.py','exec'),module.__dict__)`;

/** What follows `python3` in the container: the whole of pid 1, so that it fits this runner whatever the image's age. */
export function initArguments(): readonly string[] {
  const folder = new URL('../../../sandbox-image/init/', import.meta.url);
  const texts = modules.map((name) => [name, readFileSync(new URL(`${name}.py`, folder), 'utf8')]);
  const options = {
    workspace: wallPaths.workspace,
    home: wallPaths.home,
    path: wallPath,
    programs: [...programsNeeded, wallPaths.claude],
    filters: {
      x86_64: seccompProgram('x64').toString('base64'),
      aarch64: seccompProgram('arm64').toString('base64'),
    },
  };
  return ['-I', '-S', '-X', 'utf8', '-c', loader, JSON.stringify(Object.fromEntries(texts)), JSON.stringify(options)];
}

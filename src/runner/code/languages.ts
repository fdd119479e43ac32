import { mainFiles } from '../../contracts/main-files.ts';
import { wallPaths } from '../../contracts/sandbox.ts';
import type { Language } from '../../contracts/task.ts';

/** How a language is started on its main file, and what its runtime is told. */
export interface Runtime {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export function runtimeOf(language: Language): Runtime {
  switch (language) {
    case 'python':
      // Unbuffered: a program that is killed has printed what it printed.
      return {
        argv: ['/usr/bin/python3', mainFiles.python],
        env: { PYTHONUNBUFFERED: '1', PYTHONDONTWRITEBYTECODE: '1' },
      };
    case 'javascript':
      return { argv: [...node, mainFiles.javascript], env: {} };
    case 'typescript':
      return { argv: [...node, ...transformTypes(), mainFiles.typescript], env: {} };
    case 'bash':
      return { argv: ['/bin/bash', mainFiles.bash], env: {} };
  }
}

const node = [wallPaths.node, '--disable-warning=ExperimentalWarning'];

/** Type stripping alone refuses enums and namespaces; the wall's node is our own, and newer ones drop the flag. */
function transformTypes(): string[] {
  const flag = '--experimental-transform-types';
  return process.allowedNodeEnvironmentFlags.has(flag) ? [flag] : [];
}

import { accessSync, constants } from 'node:fs';

/**
 * The command with its program's path in the first of these folders that has it: by `env` or a shell, the caller's PATH
 * would count. Not the real path: some programs are many, and know by their name which one they are to be.
 */
export function commandOf([name = '', ...args]: readonly string[], path: string): string[] {
  if (name.includes('/')) return [name, ...args];
  const folder = path.split(':').find((candidate) => isExecutable(`${candidate}/${name}`));
  return [`${folder ?? '/usr/bin'}/${name}`, ...args];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

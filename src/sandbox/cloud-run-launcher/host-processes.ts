import { readdir, readFile } from 'node:fs/promises';
import type { Raised } from './raise.ts';

/**
 * What may hold files of the wall's workspace open on this side: what the launcher's program has started, and what
 * carries the sandbox's name among its arguments. Programs inside are processes of the sandbox's own kernel.
 */
export async function processesOf({ pid, name }: Pick<Raised, 'pid' | 'name'>): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const known = await Promise.all(pids.map(async (entry) => ({ entry, ...(await lookAt(entry)) })));
  const parents = new Map(known.map(({ entry, parent }) => [entry, parent]));
  const isBelow = (entry: string | undefined): boolean =>
    entry !== undefined && entry !== '0' && (entry === String(pid) || isBelow(parents.get(entry)));
  return known.filter(({ entry, args }) => isBelow(entry) || args.includes(name)).map(({ entry }) => entry);
}

/** Nothing of a process that has ended meanwhile. */
async function lookAt(pid: string): Promise<{ parent: string | undefined; args: readonly string[] }> {
  try {
    const [stat, cmdline] = await Promise.all(
      ['stat', 'cmdline'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8')),
    );
    // The name in brackets may hold anything.
    const [, parent] = stat!.slice(stat!.lastIndexOf(')') + 2).split(' ');
    return { parent, args: cmdline!.split('\0') };
  } catch {
    return { parent: undefined, args: [] };
  }
}

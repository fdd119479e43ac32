import { fork } from 'node:child_process';
import { once } from 'node:events';
import { z } from 'zod';

export const program = { code: 'print(42)', prints: '42\n' } as const;

/** The host's own root as a throw-away image: the same Python, no image to fetch. */
const podmanOptions = ['--rm', '-i', '--network', 'none', '--rootfs', '/:O', '/usr/bin/python3', '-'];
const ownLimits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1000:1000'];

/** What one would type without Runyard. */
const commands = {
  bwrap: [
    ...['bwrap', '--unshare-all', '--die-with-parent', '--ro-bind', '/usr', '/usr', '--symlink', 'usr/bin', '/bin'],
    ...['--symlink', 'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64', '--proc', '/proc', '--dev', '/dev'],
    ...['--tmpfs', '/tmp', '--chdir', '/tmp', '/usr/bin/python3', '-'],
  ],
  podman: ['podman', 'run', ...podmanOptions],
  /** Where the usual runtime refuses a hybrid cgroup tree, or raising limits is not allowed. */
  podmanWithRunc: ['podman', '--runtime', 'runc', 'run', ...ownLimits, ...podmanOptions],
  node: [process.execPath, '-e', '0'],
} as const;

export type Bare = keyof typeof commands;

export interface Starter {
  /** Milliseconds of `times` runs, `atOnce` at a time. Rejects where one does not print what it should. */
  run(which: Bare, times?: number, atOnce?: number): Promise<number>;
  close(): void;
}

const answer = z.union([z.strictObject({ ms: z.number() }), z.strictObject({ error: z.string() })]);

export function openStarter(): Starter {
  const child = fork(new URL('./starter.ts', import.meta.url), { execArgv: [] });
  return {
    async run(which, times = 1, atOnce = 1) {
      const [input, expected] = which === 'node' ? ['', ''] : [program.code, program.prints];
      child.send({ command: commands[which], input, expected, times, atOnce });
      const [message] = await once(child, 'message');
      const told = answer.parse(message);
      if ('error' in told) throw new Error(`${which}: ${told.error}`);
      return told.ms;
    },
    close: () => child.disconnect(),
  };
}

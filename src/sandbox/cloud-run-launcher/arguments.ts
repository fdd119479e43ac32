import { fileURLToPath } from 'node:url';
import { RunyardError } from '../../contracts/errors.ts';
import { wallPaths } from '../../contracts/sandbox.ts';
import { wallPath } from '../shared/environment.ts';
import type { GuestOptions } from './inside/guest.ts';

/** Where programs inside find node and claude; above `wallPaths.node` and `wallPaths.claude`. */
const runyardFolder = '/runyard';

export interface RunArguments {
  /** Of the sandbox; local to the instance. */
  readonly name: string;
  /** Of the node that runs the program inside; the root inside is the instance's own. */
  readonly nodePath: string;
  /** On the host: the workspace, `/runyard`, and an empty folder. */
  readonly workspace: string;
  readonly runyard: string;
  readonly empty: string;
  /** Folders of the instance that are none of a program's business. */
  readonly hidden: readonly string[];
  readonly metadata: GuestOptions['metadata'];
  /** Whether this wall is for a program, or only reads what one left. */
  readonly writable: boolean;
}

/** All of `sandbox run`. Nothing of a task stands here: environment, arguments and files come over the line. */
export function runArguments(options: RunArguments): string[] {
  const { name, nodePath, workspace, runyard, empty, hidden, metadata, writable } = options;
  const guest: GuestOptions = {
    workspace: wallPaths.workspace,
    home: wallPaths.home,
    path: wallPath,
    scratch: '/tmp/.runyard',
    writable,
    metadata,
  };
  return [
    ...['run', name],
    // An overlay in memory: without it there is no /tmp to write to.
    '--write',
    ...mount(workspace, wallPaths.workspace, writable),
    ...mount(runyard, runyardFolder, false),
    ...hidden.flatMap((path) => mount(empty, path, false)),
    ...['--workdir', '/', '--', '/bin/sh', '-c', init, 'runyard'],
    ...[nodePath, ...nodeFlags, insideProgram(), JSON.stringify(guest)],
  ];
}

export function deleteArguments(name: string): string[] {
  return ['delete', name, '--force'];
}

/** The runner's own node reads TypeScript in development; a small heap is enough for what passes through. */
const nodeFlags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1'];

/**
 * pid 1: gives up what the launcher left it of root's power, as far as the kernel inside knows how, and stays to reap
 * the dead. Its end is the end of the wall.
 */
const init = `shed='/usr/bin/setpriv --no-new-privs --inh-caps=-all --bounding-set=-all'
$shed /bin/true 2>/dev/null || shed='/usr/bin/setpriv --no-new-privs'
$shed /bin/true 2>/dev/null || shed=
$shed "$@"
exit $?`;

/** Beside this file, in the language this file is in. */
function insideProgram(): string {
  return fileURLToPath(new URL(`./inside/main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));
}

function mount(source: string, destination: string, writable: boolean): string[] {
  for (const path of [source, destination]) {
    if (!path.startsWith('/') || /[,\n]/.test(path)) {
      throw new RunyardError(
        'sandbox_unavailable',
        `The launcher cannot be told of the path ${JSON.stringify(path)}.`,
        {
          hint: 'Set RUNYARD_WORK and RUNYARD_HOME to absolute paths without commas.',
        },
      );
    }
  }
  return ['--mount', `type=bind,source=${source},destination=${destination}${writable ? '' : ',readonly'}`];
}

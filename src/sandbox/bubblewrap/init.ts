import { descriptors, programPath } from './arguments.ts';

const { handshake, stderr } = descriptors;

/** What init and Node say to each other, one word a line. */
export const words = {
  /** init: the wall stands and nothing has run in it. */
  ready: 'ready',
  /** Node: the wall was checked, the program lies in its place. */
  go: 'go',
  /** init: the limits hold, the first step begins. */
  started: 'started',
  /** init: a step that is not the last ended with 0. */
  stepEnded: 'step-ended',
  /** Node: its output was read to its end. */
  next: 'next',
} as const;

/**
 * The text of pid 1. It runs nothing before `go`, and ends at the end of the handshake, which is the end of Node.
 * Its own stderr is shut, so that what the shell says of a killed program does not pose as the program's output.
 */
export const initText = `exec ${stderr}>&2 2>/dev/null
limit() { ulimit "-$1" "$2" || [ "$(ulimit -H "-$1")" != unlimited ] || exit 125; }
echo ${words.ready} >&${handshake}
read -r go <&${handshake} || exit 125
[ "$go" = ${words.go} ] || exit 125
. ${programPath}
exit 125
`;

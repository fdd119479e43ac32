import { wallPaths } from '../../contracts/sandbox.ts';
import { descriptors, programPath } from './arguments.ts';

const { handshake, ipc, stderr } = descriptors;

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

/** Listens inside, hands the listener out and ends: nothing stays that a program could kill or imitate. */
const doorScript = `const server = require("net").createServer();
server.listen({ host: "127.0.0.1", port: ${wallPaths.doorPort} }, () => process.send("door", server, () => process.exit()));`;

/** Only a wall that shall have a door is given the channel to hand it out. */
const openDoor = `if [ -e /proc/self/fd/${ipc} ]; then
NODE_CHANNEL_FD=${ipc} NODE_CHANNEL_SERIALIZATION_MODE=json ${wallPaths.node} -e '${doorScript}' </dev/null ${handshake}>&- ${stderr}>&-
exec ${ipc}>&-
fi`;

/**
 * The text of pid 1. It runs nothing of the program before `go`, and ends at the end of the handshake, which is the
 * end of Node. Its own stderr is shut, so that what the shell says of a killed program does not pose as its output.
 */
export function initText(): string {
  return `exec ${stderr}>&2 2>/dev/null
limit() { ulimit "-$1" "$2" || [ "$(ulimit -H "-$1")" != unlimited ] || exit 125; }
${openDoor}
echo ${words.ready} >&${handshake}
read -r go <&${handshake} || exit 125
[ "$go" = ${words.go} ] || exit 125
. ${programPath}
exit 125
`;
}

import { z } from 'zod';
import type { Finding } from '../../../contracts/sandbox.ts';
import type { SandboxReport } from '../../../contracts/task.ts';

/** Bash alone, whatever the image holds: what a program inside the wall sees of it. It tries nothing but one file in `/`. */
export const wallProgram = `
interfaces=
while IFS=: read -r name rest; do
  [ -n "$rest" ] && interfaces="$interfaces \${name// /}"
done < /proc/net/dev
capabilities=none
while read -r name value; do
  case $name in
    CapPrm: | CapEff: | CapAmb:) [[ $value =~ ^0+$ ]] || capabilities=$value ;;
  esac
done < /proc/self/status
written=
for folder in / /etc /usr; do
  if : 2> /dev/null > "$folder/.runyard-doctor"; then
    written="$written $folder"
    rm -f "$folder/.runyard-doctor"
  fi
done
variables=
for name in $(compgen -e); do
  case $name in
    CLOUD_RUN_* | GOOGLE_* | RUNYARD_TASK* | RUNYARD_*KEY) variables="$variables $name" ;;
  esac
done
echo "interfaces$interfaces"
echo "user $EUID"
echo "capabilities $capabilities"
echo "written$written"
echo "variables$variables"
`;

const words = z.string().transform((text) => text.split(' ').filter((word) => word !== ''));
const standing = z.object({
  interfaces: words,
  user: z.coerce.number<string>().int().min(0),
  capabilities: z.string().min(1),
  written: words,
  variables: words,
});
type Standing = z.infer<typeof standing>;

const subject = 'wall';

/** What the program told of the wall, judged by what that technology promises. */
export function wallFinding(stdout: string, { technology, network }: SandboxReport): Finding {
  const said = standing.safeParse(linesOf(stdout));
  if (!said.success) {
    return {
      subject,
      state: 'missing',
      detail: `${technology}: the program inside printed ${JSON.stringify(stdout.slice(0, 100))}`,
      remedy: 'Run "runyard deploy" again: the image of the jobs may not be the one of this version.',
    };
  }
  const flaws = flawsOf(said.data, technology);
  if (flaws.length === 0) {
    return { subject, state: 'ok', detail: `${technology} holds: ${inWords(said.data)}, network ${network}` };
  }
  return {
    subject,
    state: 'missing',
    detail: `${technology} does not hold: ${flaws.join('; ')}`,
    remedy: 'Run no code of strangers there. Run "runyard deploy" again, then the doctor; if it stays, report it.',
  };
}

/** Everything before the first blank of a line is its name. */
function linesOf(stdout: string): Record<string, string> {
  const pairs = stdout.split('\n').map((line) => /^(\w+) ?(.*)$/.exec(line));
  return Object.fromEntries(pairs.flatMap((pair) => (pair === null ? [] : [[pair[1] ?? '', pair[2] ?? '']])));
}

/** The launcher gives a program a kernel of its own: root there, and a root folder in memory, are nobody's outside. */
const ownKernel: readonly SandboxReport['technology'][] = ['cloud-run-launcher'];

function flawsOf(
  { interfaces, user, capabilities, written, variables }: Standing,
  technology: SandboxReport['technology'],
) {
  const others = interfaces.filter((name) => name !== 'lo');
  const shared = !ownKernel.includes(technology);
  return [
    ...(technology === 'none' ? ['there is no wall'] : []),
    ...(others.length === 0 ? [] : [`it has the network interfaces ${others.join(' ')}`]),
    ...(user === 0 && shared ? ['it is root'] : []),
    ...(capabilities === 'none' ? [] : [`it has the capabilities ${capabilities}`]),
    ...(written.length === 0 || !shared ? [] : [`it writes to ${written.join(' ')}`]),
    ...(variables.length === 0 ? [] : [`it sees the runner's ${variables.join(' ')}`]),
  ];
}

function inWords({ user, written }: Standing): string {
  const who = user === 0 ? 'root of its own kernel' : `user ${user}`;
  const root = written.length === 0 ? 'not writable' : 'writable in memory of its own';
  return `no interface but lo, ${who}, no capability, / ${root}`;
}

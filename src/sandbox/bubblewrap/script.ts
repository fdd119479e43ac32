import { RunyardError } from '../../contracts/errors.ts';
import type { Program, Step } from '../../contracts/sandbox.ts';
import { commandOf } from '../shared/command.ts';
import { wallPath } from '../shared/environment.ts';
import { descriptors, stdinPath } from './arguments.ts';
import { words } from './init.ts';

/** Limits that the kernel keeps per process, set by init before the caller's environment is there. */
export interface ProcessLimits {
  readonly fileBytes: number;
  readonly openFiles: number;
  /** Only where no cgroup holds them. */
  readonly dataBytes?: number;
  readonly processes?: number;
}

export interface ScriptedProgram extends Pick<Program, 'env' | 'stdinStep'> {
  /** `mayFail`: the next step begins whatever this one exits with. */
  readonly steps: readonly (Step & { readonly mayFail?: true })[];
}

const { handshake, stderr } = descriptors;

/**
 * The program as init's shell reads it. One compound command: a text cut off anywhere is a syntax error and runs
 * nothing. Throws `invalid_request` where a value holds a NUL, which no process can be given.
 */
export function programScript(program: ScriptedProgram, limits: ProcessLimits): string {
  const { plain, odd } = sortVariables(program.env);
  const last = program.steps.length - 1;
  const steps = program.steps.map((step, index) => {
    const quoted = [...odd, ...commandOf(step.argv, wallPath)].map(quote).join(' ');
    // Redirected in the subshell alone: what init itself says of a killed program stays out of the program's output.
    const stdin = index === (program.stdinStep ?? last) ? stdinPath : '/dev/null';
    const command = `(exec ${quoted} <${stdin} 2>&${stderr} ${handshake}>&- ${stderr}>&-)`;
    if (index === last) return `${command}\nexit $?`;
    return `${command} || ${step.mayFail ? ':' : 'exit $?'}\necho ${words.stepEnded} >&${handshake}\nread -r next <&${handshake} || exit 125`;
  });
  return ['{', ...limitLines(limits), `echo ${words.started} >&${handshake}`, ...plain, ...steps, '}', ''].join('\n');
}

function limitLines({ fileBytes, openFiles, dataBytes, processes }: ProcessLimits): string[] {
  return [
    'limit c 0',
    `limit f ${Math.ceil(fileBytes / 512)}`,
    `limit n ${openFiles}`,
    ...(dataBytes === undefined ? [] : [`limit d ${Math.ceil(dataBytes / 1024)}`]),
    // dash calls it -p, bash -u.
    ...(processes === undefined ? [] : [`ulimit -u ${processes} || limit p ${processes}`]),
  ];
}

/**
 * Names that mean something to the shell itself, or that it refuses to set; no more than these: what `env` sets stands in
 * an argument list for a moment, and may be a secret.
 */
const shellsOwn = new RegExp(
  `^(${[
    ...['IFS', 'ENV', 'CDPATH', 'MAIL(CHECK|PATH)?', 'OPT(ARG|ERR|IND)', 'PPID', 'E?UID', 'GROUPS', 'PS\\d', 'LINENO'],
    ...['PWD', 'OLDPWD', 'DIRSTACK', 'HIST(CMD|CONTROL|FILE|FILESIZE|IGNORE|SIZE|TIMEFORMAT)', 'BASH(OPTS|PID|_\\w+)?'],
    ...[
      'SHELLOPTS',
      'POSIXLY_CORRECT',
      'FUNCNAME',
      'PIPESTATUS',
      'TMOUT',
      'S?RANDOM',
      'SECONDS',
      'EPOCH(REALTIME|SECONDS)',
    ],
    '_',
  ].join('|')})$`,
);

/** Variables the shell exports itself, and those that `env` has to set. */
function sortVariables(env: Readonly<Record<string, string>>): { plain: string[]; odd: string[] } {
  const entries = Object.entries(env);
  const isPlain = ([name]: [string, string]) => /^[A-Za-z_]\w*$/.test(name) && !shellsOwn.test(name);
  const odd = entries.filter((entry) => !isPlain(entry)).map(([name, value]) => `${name}=${value}`);
  return {
    plain: entries.filter(isPlain).map(([name, value]) => `export ${name}=${quote(value)}`),
    odd: odd.length === 0 ? [] : ['/usr/bin/env', '--', ...odd],
  };
}

function quote(text: string): string {
  if (text.includes('\0')) {
    throw new RunyardError(
      'invalid_request',
      'An argument or a variable holds a NUL character, which no program can be given.',
    );
  }
  return `'${text.replaceAll("'", "'\\''")}'`;
}

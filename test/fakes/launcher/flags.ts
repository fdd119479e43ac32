/** The command line of one call, as far as the stand-in knows it. Throws what the real one would print. */

export interface Flags {
  readonly name: string | undefined;
  readonly command: readonly string[];
  readonly write: boolean;
  readonly detach: boolean;
  readonly force: boolean;
  readonly workdir: string;
  readonly env: readonly string[];
  readonly mounts: readonly Mount[];
}

export interface Mount {
  readonly source: string;
  readonly destination: string;
  readonly readonly: boolean;
}

const switches = ['--write', '--detach', '--force'] as const;
const values = ['--workdir', '--env', '--mount'] as const;
const allowed: Readonly<Record<string, readonly string[]>> = {
  do: ['--write', '--workdir', '--env', '--mount'],
  run: ['--write', '--detach', '--workdir', '--env', '--mount'],
  exec: ['--workdir', '--env'],
  delete: ['--force'],
};
const elsewhere = /^--(allow-egress|rootfs|import-tar|export-tar|sync-tar|persist-dir|publish|file)(=|$)/;

export function readFlags(verb: string, args: readonly string[]): Flags {
  const known = allowed[verb];
  if (known === undefined) throw new Error(`unknown command "${verb}" for "sandbox"`);
  const cut = args.indexOf('--');
  const before = cut === -1 ? [...args] : args.slice(0, cut);
  const command = cut === -1 ? [] : args.slice(cut + 1);
  const given = new Map<string, string[]>();
  const names: string[] = [];
  for (let arg = before.shift(); arg !== undefined; arg = before.shift()) {
    if (!arg.startsWith('-')) {
      names.push(arg);
      continue;
    }
    const [flag = '', inline] = splitOnce(arg);
    if (elsewhere.test(arg)) throw new Error(`${flag} is no part of this stand-in`);
    if (!known.includes(flag)) throw new Error(`unknown flag: ${flag}`);
    const value = isSwitch(flag) ? '' : (inline ?? before.shift());
    if (value === undefined) throw new Error(`flag needs an argument: ${flag}`);
    given.set(flag, [...(given.get(flag) ?? []), value]);
  }
  if (names.length !== (verb === 'do' ? 0 : 1)) throw new Error(`accepts 1 arg(s), received ${names.length}`);
  const [name] = names;
  if (name !== undefined && !/^[A-Za-z0-9][\w.-]{0,63}$/.test(name)) throw new Error(`invalid sandbox name "${name}"`);
  if (verb !== 'delete') refuseRelative(command[0]);
  const workdir = given.get('--workdir')?.at(-1) ?? '/';
  if (!workdir.startsWith('/')) throw new Error(`working directory must be an absolute path: "${workdir}"`);
  return {
    name,
    command,
    workdir,
    write: given.has('--write'),
    detach: given.has('--detach'),
    force: given.has('--force'),
    env: given.get('--env') ?? [],
    mounts: (given.get('--mount') ?? []).map(readMount),
  };
}

function isSwitch(flag: string): boolean {
  return switches.some((name) => name === flag) && !values.some((name) => name === flag);
}

function splitOnce(text: string): [string, string | undefined] {
  const at = text.indexOf('=');
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** Nothing is inherited, not even PATH. */
function refuseRelative(program: string | undefined): void {
  if (program === undefined) throw new Error('no command was given');
  if (!program.startsWith('/')) throw new Error(`exec: "${program}": executable file not found in $PATH`);
}

function readMount(text: string): Mount {
  const fields = new Map(text.split(',').map((field) => splitOnce(field)));
  const [source, destination] = [fields.get('source'), fields.get('destination')];
  if (fields.get('type') !== 'bind') throw new Error(`invalid mount "${text}": only type=bind`);
  for (const path of [source, destination]) {
    if (!path?.startsWith('/')) throw new Error(`invalid mount "${text}": paths must be absolute`);
  }
  return { source: source!, destination: destination!, readonly: fields.has('readonly') };
}

import { z } from 'zod';

/** A setting that cannot be: one sentence for the operator. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

export interface SettingsSources {
  /** What stands after the command on the command line. */
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

type Texts = Readonly<Record<string, string>>;

/**
 * Settings whose names are told once, in snake case: `claude_path` is `--claude-path`, `PREFIX_CLAUDE_PATH` and
 * `"claude_path"` in a file. Nothing is ignored: what is unknown or wrong is a SettingsError.
 */
export interface Settings<Values> {
  /** Flags before environment. */
  fromNear(sources: SettingsSources): Texts;
  /** `text` is that of a JSON file. */
  fromFile(text: string): Texts;
  parse(texts: Texts): Values;
  /** How an operator can say it, for a message. */
  describe(name: string): string;
}

export interface SettingsOptions<Schema extends z.ZodObject> {
  /** Of the environment, such as `RUNYARD`. */
  readonly prefix: string;
  /** Every field optional, and made of a string. */
  readonly schema: Schema;
}

export function defineSettings<Schema extends z.ZodObject>({
  prefix,
  schema,
}: SettingsOptions<Schema>): Settings<z.output<Schema>> {
  const names = Object.keys(schema.shape);
  const describe = (name: string) => `${flagOf(name)} (${prefix}_${name.toUpperCase()})`;

  /** The name, if there is such a setting. */
  const known = (name: string, said: string): string => {
    if (names.includes(name)) return name;
    throw new SettingsError(`${said} is unknown. The settings are ${names.map(describe).join(', ')}.`);
  };

  const fromEnvironment = (env: SettingsSources['env']): Texts => {
    const found = Object.entries(env).flatMap(([variable, value]) =>
      variable.startsWith(`${prefix}_`) && value !== undefined && value !== '' ? [[variable, value] as const] : [],
    );
    return Object.fromEntries(
      found.map(([variable, value]) => [known(variable.slice(prefix.length + 1).toLowerCase(), variable), value]),
    );
  };

  const fromFlags = (flags: readonly string[]): Texts => {
    const values: Record<string, string> = {};
    const rest = [...flags];
    for (let flag = rest.shift(); flag !== undefined; flag = rest.shift()) {
      const [, kebab, inline] = /^--([a-z][a-z-]*)(?:=(.*))?$/s.exec(flag) ?? [];
      if (kebab === undefined) throw new SettingsError(`"${flag}" is no flag.`);
      const name = known(kebab.replaceAll('-', '_'), `--${kebab}`);
      const value = inline ?? rest.shift();
      if (value === undefined || value === '') throw new SettingsError(`${describe(name)} needs a value.`);
      values[name] = value;
    }
    return values;
  };

  return {
    describe,
    fromNear: ({ flags, env }) => ({ ...fromEnvironment(env), ...fromFlags(flags) }),
    fromFile(text) {
      const values = parseFile(text);
      return Object.fromEntries(
        Object.entries(values).map(([name, value]) => [known(name, `"${name}" in the configuration file`), value]),
      );
    },
    parse(texts) {
      const parsed = schema.safeParse(texts);
      if (parsed.success) return parsed.data;
      const [issue] = parsed.error.issues;
      throw new SettingsError(`${describe(String(issue?.path[0]))} ${issue?.message ?? 'is wrong'}.`);
    },
  };
}

function flagOf(name: string): string {
  return `--${name.replaceAll('_', '-')}`;
}

const fileValue = z.union([
  z.string(),
  z.number().transform(String),
  z.array(z.string()).transform((list) => list.join(',')),
]);

function parseFile(text: string): Texts {
  const parsed = z.record(z.string(), fileValue).safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues[0]?.path[0];
  if (where === undefined) throw new SettingsError('The configuration file must hold one JSON object.');
  throw new SettingsError(
    `"${String(where)}" in the configuration file must be a string, a number or a list of strings.`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SettingsError('The configuration file is not valid JSON.', { cause });
  }
}

import { isSign, isWord } from './imports.ts';
import type { SourceFile } from './source-files.ts';
import type { Token } from './tokens.ts';

/** Habits of the house as functions: one sentence for each place that breaks one. */
type Habit = (file: Pick<SourceFile, 'path' | 'tokens' | 'imports'>) => string[];

/** `inside/main.ts` is a program of its own, in a wall. */
const roots =
  /^src\/(main\.ts|app\.ts|app\/|runner\/main\.ts|commands\/|sandbox\/cloud-run-launcher\/inside\/main\.ts)/;
/** Commands print; `serve` speaks a protocol on stdout, and `server/stdio.ts` is where it does; so does `inside/main.ts`. */
const printers =
  /^src\/(main\.ts|commands\/(?!serve\.ts)|server\/stdio\.ts|sandbox\/cloud-run-launcher\/inside\/main\.ts)/;

const ownProcess = ['env', 'argv', 'exit', 'exitCode', 'execArgv'];
const ownStreams = ['stdin', 'stdout'];

const readsNoSurroundings: Habit = (file) =>
  roots.test(file.path)
    ? []
    : usesOfProcess(file, ownProcess).map(
        (use) =>
          `${use}: only the composition roots, main.ts and commands/ know the process; take the value as an option.`,
      );

const printsNothing: Habit = (file) => {
  if (printers.test(file.path)) return [];
  const consoles = placesOf(file, (token, next) => isWord(token, 'console') && isSign(next, '.'), 'uses console');
  return [...consoles, ...usesOfProcess(file, ownStreams)].map(
    (use) => `${use}: stdout belongs to the protocol; use a Logger, which writes to stderr.`,
  );
};

const keepsNoModuleState: Habit = (file) =>
  placesOf(
    file,
    ({ kind, text, depth }) => kind === 'word' && depth === 0 && (text === 'let' || text === 'var'),
    'declares it',
  ).map((use) => `${use} at module level: keep state in what a factory returns.`);

const waitsForNothingAtImport: Habit = (file) =>
  roots.test(file.path)
    ? []
    : placesOf(file, (token) => isWord(token, 'await') && token.depth === 0, 'awaits').map(
        (use) => `${use} at module level: no work at import; do it in a function.`,
      );

/** Modules and words with which contracts would do more than describe. */
const pureModules = new Set(['zod', 'uuid', 'node:crypto', 'node:util', 'node:buffer']);
const impureWords = new Set(['process', 'fetch', 'console', 'setTimeout', 'setInterval', 'setImmediate', 'globalThis']);

const doesNoInputOrOutput: Habit = (file) => {
  if (!file.path.startsWith('src/contracts/')) return [];
  const modules = file.imports
    .filter(
      ({ specifier, how }) =>
        how !== 'type' && specifier !== undefined && !specifier.startsWith('.') && !pureModules.has(specifier),
    )
    .map(({ specifier, line }) => `${file.path}:${line} imports ${specifier}`);
  const words = placesOf(file, ({ kind, text }) => kind === 'word' && impureWords.has(text), 'touches the world');
  return [...modules, ...words].map((use) => `${use}: contracts describe; what does something belongs to an adapter.`);
};

const leavesNoOnly: Habit = (file) =>
  file.path.startsWith('test/')
    ? placesOf(
        file,
        (token, next, before) => isWord(token, 'only') && isSign(before, '.') && isSign(next, '('),
        'runs',
      ).map((use) => `${use} one test only: the others must run too.`)
    : [];

/** A part of `toMatchObject` that is a regular expression has no fields, and so fits whatever is there. */
const comparesWithNoPattern: Habit = (file) => {
  const within = file.tokens.flatMap((token, at) => {
    if (!isWord(token, 'toMatchObject')) return [];
    const length = file.tokens.slice(at + 2).findIndex(({ depth }) => depth <= token.depth);
    return Array.from({ length: Math.max(0, length) }, (_, n) => at + 2 + n);
  });
  return within
    .filter((at) => isSign(file.tokens[at], '/regex/') && [':', '['].some((sign) => isSign(file.tokens[at - 1], sign)))
    .map((at) => `${file.path}:${file.tokens[at]?.line} is fitted by everything: use expect.stringMatching().`);
};

export const habits = {
  readsNoSurroundings,
  printsNothing,
  keepsNoModuleState,
  waitsForNothingAtImport,
  doesNoInputOrOutput,
  leavesNoOnly,
  comparesWithNoPattern,
} satisfies Record<string, Habit>;

/** `process.env`, `process['env']`, and the same through an import of node:process. */
function usesOfProcess({ path, tokens, imports }: Parameters<Habit>[0], members: readonly string[]): string[] {
  const member = (at: number) => (isSign(tokens[at + 1], '?') ? tokens[at + 3] : tokens[at + 2]);
  const direct = tokens.flatMap((token, at) =>
    isWord(token, 'process') && members.includes(member(at)?.text ?? '')
      ? [`${path}:${token.line} uses process.${member(at)?.text}`]
      : [],
  );
  const imported = imports
    .filter(({ specifier }) => specifier === 'node:process' || specifier === 'process')
    .flatMap(({ names, line }) =>
      names
        .filter((name) => members.includes(name) || name === '*')
        .map((name) => `${path}:${line} imports ${name} of node:process`),
    );
  return [...direct, ...imported];
}

function placesOf(
  { path, tokens }: Parameters<Habit>[0],
  fits: (token: Token, next: Token | undefined, before: Token | undefined) => boolean,
  what: string,
): string[] {
  return tokens.flatMap((token, at) =>
    fits(token, tokens[at + 1], tokens[at - 1]) ? [`${path}:${token.line} ${what} (${token.text})`] : [],
  );
}

import type { Token } from './tokens.ts';

/** Everything by which one file names another: imports and exports of values and types, `import()`, `typeof import()`. */
export interface Import {
  /** Undefined where it is computed and nobody can read it. */
  readonly specifier: string | undefined;
  readonly how: 'static' | 'type' | 'dynamic';
  /** The words between `import` and `from`. */
  readonly names: readonly string[];
  readonly line: number;
}

export function importsOf(tokens: readonly Token[]): Import[] {
  return tokens.flatMap((token, at) => {
    if (token.kind !== 'word' || isSign(tokens[at - 1], '.')) return [];
    if (token.text === 'require' || token.text === 'createRequire') return requireAt(tokens, at);
    if (token.text === 'export' && token.depth === 0) return exportAt(tokens, at);
    return token.text === 'import' ? importAt(tokens, at) : [];
  });
}

function importAt(tokens: readonly Token[], at: number): Import[] {
  const next = tokens[at + 1];
  const { line } = tokens[at]!;
  if (next === undefined || isSign(next, '.') || isSign(next, ':')) return [];
  if (next.kind === 'string') return [{ specifier: next.text, how: 'static', names: [], line }];
  if (!isSign(next, '(')) return fromAt(tokens, at);
  const how = isWord(tokens[at - 1], 'typeof') || isSign(tokens[at - 1], ':') ? 'type' : 'dynamic';
  return [{ specifier: stringAt(tokens, at + 2), how, names: [], line }];
}

/** `export { a } from`, `export * from`, also of types; other exports name no file. */
function exportAt(tokens: readonly Token[], at: number): Import[] {
  const first = isWord(tokens[at + 1], 'type') ? at + 2 : at + 1;
  if (isSign(tokens[first], '*')) return fromAt(tokens, at);
  if (!isSign(tokens[first], '{')) return [];
  const closing = tokens.findIndex(
    ({ text, depth }, index) => index > first && text === '}' && depth === tokens[at]!.depth,
  );
  return isWord(tokens[closing + 1], 'from') ? fromAt(tokens, at) : [];
}

function fromAt(tokens: readonly Token[], at: number): Import[] {
  const from = tokens.findIndex(
    (token, index) => index > at && isWord(token, 'from') && tokens[index + 1]?.kind === 'string',
  );
  if (from === -1) return [];
  const between = tokens.slice(at + 1, from);
  const type = isWord(between[0], 'type') && !isWord(between[1], 'from') && between.length > 1;
  const names = between.filter(({ kind, text }) => kind === 'word' || text === '*').map(({ text }) => text);
  return [{ specifier: tokens[from + 1]!.text, how: type ? 'type' : 'static', names, line: tokens[at]!.line }];
}

/** `require('x')` and `createRequire(…)('x')`. */
function requireAt(tokens: readonly Token[], at: number): Import[] {
  const { depth, line } = tokens[at]!;
  const closing = tokens.findIndex((token, index) => index > at && token.text === ')' && token.depth === depth);
  const argument = tokens[at]!.text === 'require' ? at + 2 : closing + 2;
  if (!isSign(tokens[argument - 1], '(')) return [];
  return [{ specifier: stringAt(tokens, argument), how: 'dynamic', names: [], line }];
}

/** The string that stands alone in its parentheses. */
function stringAt(tokens: readonly Token[], at: number): string | undefined {
  const token = tokens[at];
  const alone = isSign(tokens[at + 1], ')') || isSign(tokens[at + 1], ',');
  return token?.kind === 'string' && alone ? token.text : undefined;
}

export function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === 'word' && token.text === text;
}

export function isSign(token: Token | undefined, text: string): boolean {
  return token?.kind === 'sign' && token.text === text;
}

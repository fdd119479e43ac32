/** One piece of TypeScript source. Comments, regular expressions and the text of templates are left out. */
export interface Token {
  readonly kind: 'word' | 'string' | 'sign';
  /** Of a string: its content, escapes as written. */
  readonly text: string;
  /** How many braces, brackets and parentheses are open before it. */
  readonly depth: number;
  readonly line: number;
}

const piece =
  /(?<space>\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<word>#?[\p{ID_Start}$_][\p{ID_Continue}$]*)|(?<number>\.?\d[\w.]*)|'(?<single>(?:\\[\s\S]|[^'\\\n])*)'|"(?<double>(?:\\[\s\S]|[^"\\\n])*)"|(?<sign>[\s\S])/uy;
const regexLiteral = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
const templateText = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*/y;

/** After these a slash begins a regular expression; after any other word it divides. */
const beforeRegex = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'do',
  'else',
  'void',
  'delete',
  'await',
  'yield',
  'throw',
  'new',
]);

/** The tokens of a source file. Throws where a literal does not end. */
export function tokensOf(source: string): Token[] {
  return new Tokenizer(source).all();
}

class Tokenizer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  /** One entry an open brace, bracket or parenthesis; `${` waits for the rest of its template. */
  readonly #open: string[] = [];
  #at = 0;
  #line = 1;

  constructor(source: string) {
    this.#source = source;
  }

  all(): Token[] {
    while (this.#at < this.#source.length) this.#next();
    if (this.#open.length > 0) throw new Error(`line ${this.#line}: ${this.#open.join(' ')} does not end`);
    return this.#tokens;
  }

  #next(): void {
    if (this.#regexBegins() && this.#skip(regexLiteral) !== '') {
      this.#push('sign', '/regex/');
      return;
    }
    piece.lastIndex = this.#at;
    const { groups = {} } = piece.exec(this.#source)!;
    const { space, word, number, single, double, sign } = groups;
    const startLine = this.#line;
    this.#skip(piece);
    if (space !== undefined) return;
    if (word !== undefined) this.#push('word', word, startLine);
    else if (number !== undefined) this.#push('sign', number, startLine);
    else if (sign === undefined) this.#push('string', single ?? double ?? '', startLine);
    else this.#sign(sign);
  }

  #sign(sign: string): void {
    if (sign === "'" || sign === '"') throw new Error(`line ${this.#line}: a string does not end`);
    const opener = ')]}'.includes(sign) ? this.#open.pop() : undefined;
    if (sign === '`' || opener === '${') {
      this.#template();
      return;
    }
    this.#push('sign', sign);
    if ('([{'.includes(sign)) this.#open.push(sign);
  }

  /** The text up to the end of the template or to its next expression, whose tokens count. */
  #template(): void {
    this.#skip(templateText);
    const ending = this.#source[this.#at];
    if (ending === undefined) throw new Error(`line ${this.#line}: a template does not end`);
    if (ending === '`') {
      this.#at += 1;
      this.#push('sign', '`template`');
    } else {
      this.#at += 2;
      this.#push('sign', '${');
      this.#open.push('${');
    }
  }

  #regexBegins(): boolean {
    if (this.#source[this.#at] !== '/' || '/*'.includes(this.#source[this.#at + 1] ?? '/')) return false;
    const before = this.#tokens.at(-1);
    if (before === undefined) return true;
    if (before.kind === 'word') return beforeRegex.has(before.text);
    return before.kind === 'sign' && !/^(?:[)\]]|`template`|\/regex\/|\.?\d.*)$/.test(before.text);
  }

  #skip(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.#source)?.[0] ?? '';
    this.#at += text.length;
    this.#line += text.split('\n').length - 1;
    return text;
  }

  #push(kind: Token['kind'], text: string, line = this.#line): void {
    this.#tokens.push({ kind, text, depth: this.#open.length, line });
  }
}

import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Where lines for people go. */
export interface Paper {
  line(text?: string): void;
  /** A sign, what it is about, and what is to say of it. */
  item(sign: Sign, title: string, said?: string): void;
  /** Below an item. */
  detail(text: string): void;
  heading(text: string): void;
}

export type Sign = keyof typeof signs;
const signs = {
  done: { sign: '✔', style: 'green' },
  make: { sign: '+', style: 'yellow' },
  change: { sign: '~', style: 'yellow' },
  unknown: { sign: '?', style: 'yellow' },
  failed: { sign: '✘', style: 'red' },
  gone: { sign: '-', style: 'green' },
  kept: { sign: '○', style: 'yellow' },
} as const satisfies Record<string, { readonly sign: string; readonly style: Style }>;

const titleWidth = 44;

/** Coloured where `stream` shows colours. */
export function createPaper(stream: NodeJS.WriteStream | undefined, write: (text: string) => void): Paper {
  const styled = (style: Style, text: string) => (stream === undefined ? text : styleText(style, text, { stream }));
  const line = (text = '') => write(`${text}\n`);
  return {
    line,
    item(name, title, said = '') {
      const { sign, style } = signs[name];
      line(`  ${styled(style, sign)} ${said === '' ? title : `${title.padEnd(titleWidth)} ${styled('dim', said)}`}`);
    },
    detail: (text) => line(styled('dim', `      ${text}`)),
    heading: (text) => line(styled('bold', `  ${text}`)),
  };
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`;
}

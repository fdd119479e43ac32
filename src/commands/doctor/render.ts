import { styleText } from 'node:util';
import type { Finding } from '../../contracts/sandbox.ts';

export interface Report {
  readonly version: string;
  readonly backend: string;
  /** Whether the configured backend can run something. */
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

const marks: Readonly<
  Record<Finding['state'], { readonly sign: string; readonly colour: 'green' | 'yellow' | 'red' }>
> = {
  ok: { sign: '✔', colour: 'green' },
  limited: { sign: '▲', colour: 'yellow' },
  missing: { sign: '✘', colour: 'red' },
};

/** For people. Coloured where `stream` shows colours. */
export function renderReport({ version, backend, ok, findings }: Report, stream: NodeJS.WriteStream): string {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  const lines = findings.flatMap(({ subject, state, detail, remedy }) => {
    const { sign, colour } = marks[state];
    const line = `  ${styleText(colour, sign, { stream })} ${subject.padEnd(width)}  ${detail}`;
    return state === 'ok' || remedy === undefined ? [line] : [line, `    ${' '.repeat(width)}  → ${remedy}`];
  });
  const verdict = ok
    ? 'Code can be run here, inside a sandbox.'
    : 'Nothing can be run here yet: mend what is marked ✘ above.';
  return [`Runyard ${version}, backend ${backend}`, '', ...lines, '', verdict, ''].join('\n');
}

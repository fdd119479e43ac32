import { styleText } from 'node:util';
import type { Finding } from '../../contracts/sandbox.ts';

export interface Report {
  readonly version: string;
  readonly backend: 'local' | 'cloud-run';
  /** Whether the configured backend can run something. */
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** What is configured besides, and decides nothing. */
  readonly beside?: { readonly title: string; readonly findings: readonly Finding[] };
}

/** For programs: all findings in one list, each subject once. */
export function jsonOfReport({ version, backend, ok, findings, beside }: Report): string {
  const all = [...findings, ...(beside?.findings ?? [])];
  return `${JSON.stringify({ version, backend, ok, findings: all }, undefined, 2)}\n`;
}

const marks: Readonly<
  Record<Finding['state'], { readonly sign: string; readonly colour: 'green' | 'yellow' | 'red' }>
> = {
  ok: { sign: '✔', colour: 'green' },
  limited: { sign: '▲', colour: 'yellow' },
  missing: { sign: '✘', colour: 'red' },
};

/** For people. Coloured where `stream` shows colours. */
export function renderReport({ version, backend, ok, findings, beside }: Report, stream: NodeJS.WriteStream): string {
  const section = beside === undefined ? [] : [beside.title, '', ...linesOf(beside.findings, stream), ''];
  const verdict = ok ? verdicts[backend].good : verdicts[backend].bad;
  const lines = linesOf(findings, stream);
  return [`Runyard ${version}, backend ${backend}`, '', ...lines, '', ...section, verdict, ''].join('\n');
}

const verdicts = {
  local: {
    good: 'Code can be run here, inside a sandbox.',
    bad: 'Nothing can be run here yet: mend what is marked ✘ above.',
  },
  'cloud-run': {
    good: 'Code can be run on Cloud Run, inside a sandbox.',
    bad: 'Nothing can be run on Cloud Run yet: mend what is marked ✘ above.',
  },
} as const;

function linesOf(findings: readonly Finding[], stream: NodeJS.WriteStream): string[] {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  return findings.flatMap(({ subject, state, detail, remedy }) => {
    const { sign, colour } = marks[state];
    const line = `  ${styleText(colour, sign, { stream })} ${subject.padEnd(width)}  ${detail}`;
    return state === 'ok' || remedy === undefined ? [line] : [line, `    ${' '.repeat(width)}  → ${remedy}`];
  });
}

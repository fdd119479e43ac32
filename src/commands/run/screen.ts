import { styleText } from 'node:util';

/** What a batch shows: a line for each task that has ended, and on a terminal a bar that tells how far it is. */
export interface Screen {
  ended(line: EndedLine): void;
  say(sentence: string): void;
  progress(counts: Counts): void;
  /** Takes the bar away. */
  close(): void;
}

export interface EndedLine {
  readonly id: string;
  readonly status: string;
  readonly succeeded: boolean;
  readonly durationMs: number | undefined;
  readonly costUsd: number | null | undefined;
  /** What it ended with, where it failed. */
  readonly reason?: string;
}

export interface Counts {
  readonly all: number;
  readonly ended: number;
  readonly failed: number;
  readonly running: number;
}

interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const barCells = 24;

export function createScreen(out: Output, err: Output): Screen {
  let bar = '';
  const draw = (text: string) => {
    if (err.isTTY !== true) return;
    err.write(`\r\u001b[2K${text}`);
    bar = text;
  };
  const print = (to: Output, line: string) => {
    const shown = bar;
    draw('');
    to.write(`${line}\n`);
    draw(shown);
  };
  return {
    ended({ id, status, succeeded, durationMs, costUsd, reason }) {
      const mark = succeeded ? styleText('green', '✔') : styleText('red', '✘');
      const facts = [
        status,
        ...(durationMs === undefined ? [] : [`${(durationMs / 1000).toFixed(1)} s`]),
        ...(typeof costUsd === 'number' ? [`$${costUsd.toFixed(4)}`] : []),
        ...(reason === undefined ? [] : [reason]),
      ];
      print(out, `${mark} ${id}  ${facts.join('  ')}`);
    },
    say: (sentence) => print(err, sentence),
    progress({ all, ended, failed, running }) {
      const done = Math.round((ended / all) * barCells);
      const told = `${ended}/${all} ended, ${failed} failed, ${running} running`;
      draw(`[${'#'.repeat(done)}${'.'.repeat(barCells - done)}] ${told}`.slice(0, (err.columns ?? 80) - 1));
    },
    close: () => draw(''),
  };
}

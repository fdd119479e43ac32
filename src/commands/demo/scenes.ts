import { writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as programs from './programs.ts';
import type { Answer, DemoYard } from './yard.ts';

/** One thing the demo shows: what is asked, and what must be true of the answer. */
export interface Scene {
  readonly title: string;
  /** Shows lines to the person, and returns everything that was not as said; empty where all was. */
  readonly play: (yard: DemoYard, show: (line: string) => void) => Promise<readonly string[]>;
}

/** What the demo reads of an output. */
interface Output {
  readonly task_id?: string;
  readonly status?: string;
  readonly stdout?: string;
  readonly exit_code?: number | null;
  readonly response?: string;
  readonly cost_usd?: number | null;
  readonly num_turns?: number;
  readonly error?: {
    readonly code?: string;
    readonly type?: string;
    readonly message?: string;
    readonly line?: number;
  };
  readonly artifacts?: readonly { readonly path: string; readonly size_bytes: number; readonly mime_type: string }[];
  readonly lines?: readonly { readonly text?: string }[];
  readonly next_cursor?: string;
}

const outputOf = (answer: Answer): Output => (answer.structuredContent ?? {}) as Output;

const python: Scene = {
  title: 'Python draws a picture',
  async play(yard, show) {
    const answer = await yard.call('execute_code', { language: 'python', code: programs.drawPython });
    const output = outputOf(answer);
    showOutput(output, show);
    const picture = answer.content.find((block) => block.type === 'image')?.data;
    if (picture === undefined) return ['no picture came back'];
    const path = join(yard.folder, 'mandelbrot.png');
    writeFileSync(path, Buffer.from(picture, 'base64'));
    show(`look at it: ${path}`);
    return expectOutput(output, { status: 'succeeded', stdout: 'drew 320 x 200 pixels\n' });
  },
};

const javascript: Scene = {
  title: 'JavaScript counts words from stdin',
  play: (yard, show) =>
    run(
      yard,
      show,
      { language: 'javascript', code: programs.countJavascript, stdin: 'one two three four five six' },
      { status: 'succeeded', stdout: '3 ###\n4 ##\n5 #\n' },
    ),
};

const typescript: Scene = {
  title: 'TypeScript, enums and all',
  play: (yard, show) =>
    run(
      yard,
      show,
      { language: 'typescript', code: programs.typedTypescript },
      { status: 'succeeded', stdout: 'letter: Small, crate: Large\n' },
    ),
};

const bash: Scene = {
  title: 'Bash leaves a file',
  async play(yard, show) {
    const output = outputOf(await yard.call('execute_code', { language: 'bash', code: programs.shellBash }));
    showOutput(output, show);
    return [
      ...expectOutput(output, { status: 'succeeded' }),
      ...(output.artifacts?.[0]?.path === 'output/note.txt' ? [] : ['output/note.txt did not come back']),
    ];
  },
};

const failing: Scene = {
  title: 'A program that fails says where',
  async play(yard, show) {
    const output = outputOf(await yard.call('execute_code', { language: 'python', code: programs.failingPython }));
    showOutput(output, show);
    const { type, line } = output.error ?? {};
    return [
      ...expectOutput(output, { status: 'failed', stdout: 'sharing the cake\n' }),
      ...(type === 'ZeroDivisionError' && line === 2 ? [] : [`the error was ${type} on line ${line}`]),
    ];
  },
};

const endless: Scene = {
  title: 'A program that never ends is ended',
  play: (yard, show) =>
    run(yard, show, { language: 'python', code: programs.endlessPython, timeout_seconds: 2 }, { status: 'timed_out' }),
};

const spy: Scene = {
  title: 'A program that tries what it may not',
  async play(yard, show) {
    const code = programs.spyPython(homedir(), yard.bait.port);
    const output = outputOf(await yard.call('execute_code', { language: 'python', code }));
    showOutput(output, show);
    show(`connections that reached this machine: ${yard.bait.visits()}`);
    return [
      ...expectOutput(output, { status: 'succeeded' }),
      ...(output.stdout?.includes('REACHED') === false ? [] : ['it reached something']),
      ...(output.stdout?.includes("interfaces: ['lo']") ? [] : ['it has a network']),
      ...(yard.bait.visits() === 0 ? [] : ['it reached this machine']),
    ];
  },
};

const logs: Scene = {
  title: 'Follow a running program by cursor',
  async play(yard, show) {
    const { task_id } = outputOf(
      await yard.call('execute_code', { language: 'python', code: programs.countdownPython, wait_seconds: 0 }),
    );
    const seen: string[] = [];
    for (let cursor = 'start', status = 'running', look = 0; status === 'running' || status === 'queued'; look++) {
      const page = outputOf(await yard.call('get_task_logs', { task_id, cursor, wait_seconds: 5 }));
      const lines = (page.lines ?? []).map((line) => line.text ?? '');
      if (lines.length > 0) show(`look ${look + 1}: ${lines.join(' ')}`);
      seen.push(...lines);
      cursor = page.next_cursor ?? cursor;
      status = page.status ?? 'lost';
    }
    return seen.join(' ') === '5 4 3 2 1 lift-off' ? [] : [`the lines were ${seen.join(' ')}`];
  },
};

const cancelled: Scene = {
  title: 'Cancel a task',
  async play(yard, show) {
    const { task_id } = outputOf(
      await yard.call('execute_code', { language: 'bash', code: 'sleep 1000', wait_seconds: 0 }),
    );
    const output = outputOf(await yard.call('cancel_task', { task_id }));
    show(`${task_id} is ${output.status}`);
    return expectOutput(output, { status: 'cancelled' });
  },
};

const claude: Scene = {
  title: 'Claude Code works in the sandbox',
  async play(yard, show) {
    const prompt =
      'Write a file output/haiku.txt with a haiku about a sandbox, using the Write or Bash tool. Then answer with the haiku alone.';
    const { task_id } = outputOf(
      await yard.call('run_claude_task', { prompt, max_turns: 10, timeout_seconds: 240, wait_seconds: 0 }),
    );
    const done = outputOf(await yard.call('get_task_logs', { task_id, wait_seconds: 240 }));
    const output = ((done as { result?: Output }).result ?? done) as Output;
    for (const line of (output.response ?? output.error?.message ?? '').split('\n')) show(line);
    show(`${output.num_turns ?? 0} turns, $${output.cost_usd?.toFixed(4) ?? '?'}; the key never entered the sandbox`);
    return expectOutput(output, { status: 'succeeded' });
  },
};

export const scenes: readonly Scene[] = [python, javascript, typescript, bash, failing, endless, spy, logs, cancelled];

/** Played only where a model key is in the environment. */
export const claudeScene: Scene = claude;

async function run(
  yard: DemoYard,
  show: (line: string) => void,
  input: Record<string, unknown>,
  expected: { status: string; stdout?: string },
) {
  const output = outputOf(await yard.call('execute_code', input));
  showOutput(output, show);
  return expectOutput(output, expected);
}

function showOutput(output: Output, show: (line: string) => void): void {
  for (const line of (output.stdout ?? '').trimEnd().split('\n').slice(-8)) if (line !== '') show(line);
  for (const { path, size_bytes, mime_type } of output.artifacts ?? [])
    show(`${path}  ${mime_type}, ${size_bytes.toLocaleString('en')} bytes`);
  const { type, message, line } = output.error ?? {};
  if (message !== undefined)
    show(`${type === undefined ? '' : `${type}: `}${message}${line === undefined ? '' : ` (line ${line})`}`);
}

function expectOutput(output: Output, expected: { status: string; stdout?: string }): string[] {
  return [
    ...(output.status === expected.status ? [] : [`it ${output.status ?? 'was refused'}, not ${expected.status}`]),
    ...(expected.stdout === undefined || output.stdout === expected.stdout
      ? []
      : [`it printed ${JSON.stringify(output.stdout)}`]),
  ];
}

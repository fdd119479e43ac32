import { spawn } from 'node:child_process';

/** Where no reaper is above it, podman waits 20 s for the end of its own monitor: that is no measure of it. */
const tooLongMs = 10_000;

/**
 * A small process that starts the bare thing: it is sent `{ command, input, expected, times, atOnce }` and answers with
 * the milliseconds of the whole, or with an error where a program does not print what is expected.
 */
interface Order {
  readonly command: readonly string[];
  readonly input: string;
  readonly expected: string;
  readonly times: number;
  readonly atOnce: number;
}

process.on('message', (order: Order) => {
  carryOut(order).then(
    (ms) => process.send?.({ ms }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});

async function carryOut({ times, atOnce, ...program }: Order): Promise<number> {
  const left = { count: times };
  const worker = async () => {
    while (left.count > 0) {
      left.count -= 1;
      await runOnce(program);
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: atOnce }, worker));
  return performance.now() - startedAt;
}

function runOnce({ command, input, expected }: Pick<Order, 'command' | 'input' | 'expected'>): Promise<void> {
  return new Promise((resolve, reject) => {
    const [program = '', ...args] = command;
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/', timeout: tooLongMs });
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => {
      said.stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      said.stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (_, signal) => {
      if (signal !== null) reject(new Error(`did not end within ${tooLongMs / 1000} s`));
      else if (said.stdout === expected) resolve();
      else reject(new Error(said.stderr.trim().split('\n').at(-1) || `printed ${JSON.stringify(said.stdout)}`));
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

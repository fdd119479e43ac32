import { stepEnvironment } from '../shared/environment.ts';
import type { Container } from './container.ts';

const errandLimits = { fileBytes: 0, openFiles: 256 };

/**
 * Runs a program of the image's own to its end, while nothing untrusted is alive in the container: what it prints is heard
 * by the listener of the moment, and all of it once this has resolved. Its exit code; undefined where the container is gone.
 */
export async function runErrand(
  container: Container,
  argv: readonly string[],
  stdin: Uint8Array = Buffer.alloc(0),
): Promise<number | undefined> {
  const order = { order: 'run', argv, env: stepEnvironment({}), limits: errandLimits, disk: null } as const;
  const answer = await container.ask({ ...order, bytes: stdin.length }, stdin);
  if (answer?.answer !== 'ended') return undefined;
  await container.taken();
  return answer.exitCode;
}

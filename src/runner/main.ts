import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { asRunyardError } from '../contracts/errors.ts';
import type { GatewayOptions } from '../contracts/gateway.ts';
import { type RunnerHint, runnerCall } from '../contracts/runner-channel.ts';
import { closeInheritedDescriptors } from '../lib/descriptors.ts';
import { createLogger } from '../lib/logger.ts';
import { processIdentity } from '../lib/process-identity.ts';
import { detectSandbox } from '../sandbox/detect.ts';
import { createLocalSeal } from '../seal/local.ts';
import { createFilesystemStore } from '../store/filesystem.ts';
import { runnerEnvironment } from './environment.ts';
import { createWork } from './work.ts';

/** The runner's composition root: environment -> store, seal, sandbox, gateway -> work, told over the IPC channel. */

async function main(): Promise<void> {
  closeInheritedDescriptors();
  const environment = runnerEnvironment.parse(process.env);
  const log = createLogger({ level: 'info', name: 'runner' });
  const slots = availableParallelism() * 4;
  const sandbox = await detectSandbox(environment.RUNYARD_SANDBOX, {
    workDir: environment.RUNYARD_WORK,
    nodePath: process.execPath,
    ...(environment.RUNYARD_CLAUDE_PATH === undefined ? {} : { claudePath: environment.RUNYARD_CLAUDE_PATH }),
    slots: slots + 2,
  });
  const store = createFilesystemStore({ dir: join(environment.RUNYARD_HOME, 'store') });
  const work = createWork({
    store,
    seal: createLocalSeal({ keyFile: join(environment.RUNYARD_HOME, 'key') }),
    sandbox,
    openGateway: (options: GatewayOptions) => openGateway(options, environment.RUNYARD_PRICES),
    handle: { ...processIdentity(process.pid)! },
    tell,
    log,
    slots,
    onIdle: () => endIfAlone(),
  });

  /** A runner whose server is gone ends with its last run. */
  const endIfAlone = () => {
    if (!process.connected && work.idle) void end(0);
  };

  const end = async (exitCode: number) => {
    await work.stopAll();
    await sandbox.close();
    await store.close();
    process.exit(exitCode);
  };

  process.on('message', (message) => {
    const { task } = runnerCall.parse(message);
    work
      .look(task)
      .catch((error: unknown) => log.error({ task, error: asRunyardError(error) }, 'a call could not be heard'));
  });
  process.on('disconnect', endIfAlone);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => void end(143));
  }
  sandbox.warm();
}

/** A hint that nobody hears any more is no loss: the truth is in the store. */
function tell(hint: RunnerHint): void {
  if (process.connected) process.send?.(hint, undefined, undefined, () => {});
}

/** Loaded by the first task that needs a door. */
async function openGateway(options: GatewayOptions, pricesFile: string | undefined) {
  const gateway = await import('../gateway/door.ts');
  return gateway.openGateway({ ...options, prices: await gateway.readPrices(pricesFile) });
}

await main();

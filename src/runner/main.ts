import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { DialTarget } from '../contracts/egress.ts';
import { asRunyardError } from '../contracts/errors.ts';
import type { GatewayOptions } from '../contracts/gateway.ts';
import { keys } from '../contracts/keys.ts';
import { type RunnerHint, runnerCall } from '../contracts/runner-channel.ts';
import { runnerExitCodes } from '../contracts/runner-exit.ts';
import type { Sandbox } from '../contracts/sandbox.ts';
import { closeInheritedDescriptors } from '../lib/descriptors.ts';
import { findProgram } from '../lib/find-program.ts';
import { createLogger, type Logger } from '../lib/logger.ts';
import { processIdentity } from '../lib/process-identity.ts';
import { detectSandbox } from '../sandbox/detect.ts';
import {
  type ServerRunnerEnvironment,
  serverRunnerEnvironment,
  type TaskRunnerEnvironment,
  taskRunnerEnvironment,
} from './environment.ts';

/** The runner's composition root: environment -> store, seal, sandbox, gateway -> work for a server, or one task. */

async function main(): Promise<void> {
  closeInheritedDescriptors();
  const log = createLogger({ level: 'info', name: 'runner' });
  // Only an override of a Cloud Run execution names a task.
  if (process.env.RUNYARD_TASK === undefined) await workForServer(serverRunnerEnvironment.parse(process.env), log);
  else await workForExecution(environmentOfTask(log), log);
}

/** What a Job lacks is named; its values are not. */
function environmentOfTask(log: Logger): TaskRunnerEnvironment {
  const { success, data, error } = taskRunnerEnvironment.safeParse(process.env);
  if (success) return data;
  const wrong = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  log.error({ wrong }, 'the environment is not that of a job that "runyard deploy" makes: run it again');
  return process.exit(runnerExitCodes.failed);
}

/** Many runs at once, told over the IPC channel, until the server is gone and the last run has ended. */
async function workForServer(environment: ServerRunnerEnvironment, log: Logger): Promise<void> {
  const [{ createLocalSeal }, { createFilesystemStore }, { createWork }] = await Promise.all([
    import('../seal/local.ts'),
    import('../store/filesystem.ts'),
    import('./work.ts'),
  ]);
  const slots = availableParallelism() * 4;
  const sandbox = openSandbox(environment, environment.RUNYARD_CLAUDE_PATH, slots + 2);
  const store = createFilesystemStore({ dir: join(environment.RUNYARD_HOME, 'store') });
  const work = createWork({
    store,
    seal: createLocalSeal({ keyFile: join(environment.RUNYARD_HOME, 'key') }),
    sandbox,
    openGateway,
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
    try {
      await work.stopAll();
      await sandbox.close();
      await store.close();
    } catch (error) {
      log.error({ error }, 'not everything could be put away; the next runner does it');
    }
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

/** One run of one task, as one task of a Cloud Run execution; its exit code is for the platform, its result in the bucket. */
async function workForExecution(environment: TaskRunnerEnvironment, log: Logger): Promise<void> {
  const claudePath = environment.RUNYARD_CLAUDE_PATH ?? findProgram('claude', environment.PATH);
  const sandbox = openSandbox(environment, claudePath, 2);
  sandbox.warm();
  const [{ createGcsStore }, { createKmsSeal }, { workForOneTask }] = await Promise.all([
    import('../store/gcs/index.ts'),
    import('../seal/kms.ts'),
    import('./one-task.ts'),
  ]);
  const { RUNYARD_PROJECT: project, RUNYARD_REGION: region, CLOUD_RUN_TASK_INDEX: run } = environment;
  const store = createGcsStore({
    project,
    bucket: environment.RUNYARD_BUCKET,
    endpoint: environment.RUNYARD_STORAGE_ENDPOINT,
    readToken: environment.RUNYARD_TASK_TOKEN,
    ownReads: keys.allInputs,
  });
  const job = `projects/${project}/locations/${region}/jobs/${environment.CLOUD_RUN_JOB}`;
  const work = workForOneTask({
    task: environment.RUNYARD_TASK,
    run,
    store,
    seal: createKmsSeal({ project, key: environment.RUNYARD_KMS_KEY, endpoint: environment.RUNYARD_KMS_ENDPOINT }),
    sandbox,
    openGateway,
    openWebhooks,
    handle: { execution: `${job}/executions/${environment.CLOUD_RUN_EXECUTION}`, task: run },
    tell: () => {},
    log,
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void work.stop());
  const exitCode = await work.ended;
  await sandbox.close();
  await store.close();
  process.exit(exitCode);
}

function openSandbox(
  environment: ServerRunnerEnvironment | TaskRunnerEnvironment,
  claudePath: string | undefined,
  slots: number,
): Sandbox {
  return detectSandbox(environment.RUNYARD_SANDBOX, {
    workDir: environment.RUNYARD_WORK,
    nodePath: process.execPath,
    ...(claudePath === undefined ? {} : { claudePath }),
    slots,
    env: process.env,
    image: environment.RUNYARD_IMAGE,
    inCloudRun: environment.CLOUD_RUN_JOB !== undefined || environment.K_SERVICE !== undefined,
    hidden: 'RUNYARD_HOME' in environment ? [environment.RUNYARD_HOME] : [],
  });
}

/** A hint that nobody hears any more is no loss: the truth is in the store. */
function tell(hint: RunnerHint): void {
  if (process.connected) process.send?.(hint, undefined, undefined, () => {});
}

/** Loaded by the first task that needs a door. */
async function openGateway(options: GatewayOptions) {
  const [gateway, { createEgress }] = await Promise.all([import('../gateway/door.ts'), import('../gateway/egress.ts')]);
  return gateway.openGateway({ ...options, egress: createEgress({ privateTargets: options.privateTargets ?? [] }) });
}

/** Loaded by the end of a task that is to be told. */
async function openWebhooks(privateTargets: readonly DialTarget[]) {
  const [{ createWebhookSender }, { createEgress }] = await Promise.all([
    import('../webhook/standard-webhooks.ts'),
    import('../gateway/egress.ts'),
  ]);
  return createWebhookSender({ egress: createEgress({ privateTargets }) });
}

await main();

import { fileURLToPath } from 'node:url';
import type { protos } from '@google-cloud/run';
import { createContainers } from './cloud-run-containers.ts';
import { createExecutions, type Execution, type ExecutionPlan, type Executions } from './cloud-run-executions.ts';
import { createJobs, type RunQuota } from './cloud-run-jobs.ts';
import { createLauncherField } from './cloud-run-launcher-field.ts';
import { createOperations } from './cloud-run-operations.ts';
import { executionMethods, taskMethods } from './cloud-run-records.ts';
import { notFound } from './failure.ts';
import { createIamPolicies, type IamPolicies } from './iam-policies.ts';
import { createRpcRouter } from './rpc.ts';
import {
  type Answer,
  type GoogleFakeOptions,
  type GoogleServer,
  noSuchAddress,
  type RecordedRequest,
  startGoogleServer,
} from './server.ts';

/**
 * Cloud Run: jobs, operations, executions and tasks on Google's protos. Each task of an execution is the real runner, as
 * a process that sees the Job's environment, the override's, and the platform's.
 */
export interface CloudRunServer extends GoogleServer {
  readonly policyOf: IamPolicies['policyOf'];
  /** `name` is `projects/P/locations/R/jobs/J`. Undefined where there is none. */
  jobOf(name: string): protos.google.cloud.run.v2.IJob | undefined;
  /** Makes the job, or changes it. */
  putJob(name: string, job: protos.google.cloud.run.v2.IJob): void;
  /** In the order in which they were made. */
  executions(): readonly Execution[];
  executionOf(name: string): Execution;
  /** What becomes of the next execution that is run. */
  plan(next: ExecutionPlan): void;
  setQuota(quota: RunQuota): void;
  readonly kill: Executions['kill'];
  readonly killForMemory: Executions['killForMemory'];
  readonly remove: Executions['remove'];
  readonly logOf: Executions['logOf'];
}

export interface CloudRunOptions extends GoogleFakeOptions {
  /** `projects/P/locations/R`, for the names of operations. */
  readonly location?: string;
  /** The image's entry point; the built runner where not given. */
  readonly program?: string;
  /** What the image itself sets. */
  readonly imageEnv?: Readonly<Record<string, string>>;
  /** Containers at once; others wait. */
  readonly containersAtOnce?: number;
}

const builtRunner = fileURLToPath(new URL('../../../dist/runner/main.js', import.meta.url));

export async function startCloudRun(options: CloudRunOptions = {}): Promise<CloudRunServer> {
  const containers = createContainers({
    program: options.program ?? builtRunner,
    imageEnv: options.imageEnv ?? {},
    atOnce: options.containersAtOnce ?? 4,
  });
  const executions = createExecutions(containers);
  const operations = createOperations(options.location ?? 'projects/a-project/locations/europe-west1');
  const plans: ExecutionPlan[] = [];
  let quota: RunQuota = { runsPerMinute: 180 };
  const jobs = createJobs({
    executions,
    operations,
    quota: () => quota,
    nextPlan: () => plans.shift() ?? {},
  });
  const policies = createIamPolicies({
    kindOf: () => 'run.jobs',
    exists: (resource) => jobs.all.has(resource),
    authorize: options.authorize,
  });
  const executionOf = (name: string): Execution => {
    const execution = executions.all.get(name);
    if (execution === undefined) throw notFound(`Resource '${name}' of kind 'EXECUTION' does not exist.`);
    return execution;
  };
  const service = (name: string, methods: Parameters<typeof createRpcRouter>[0]['methods']) =>
    createRpcRouter({ client: '@google-cloud/run', name, domain: 'run.googleapis.com', methods }, options.authorize);
  const v2 = 'google.cloud.run.v2';
  const routers = [
    service(`${v2}.Jobs`, { ...jobs.methods, ...policies.methods }),
    service(`${v2}.Executions`, executionMethods(executions, executionOf, operations)),
    service(`${v2}.Tasks`, taskMethods(executionOf)),
    service('google.longrunning.Operations', operations.methods),
  ];
  const launchers = createLauncherField();
  const route = (request: RecordedRequest): Answer | undefined =>
    routers.map((router) => router(request)).find((answer) => answer !== undefined);
  const server = await startGoogleServer(
    (request) => launchers.around(request, (plain) => route(plain) ?? noSuchAddress),
    options,
  );
  return {
    ...server,
    policyOf: policies.policyOf,
    jobOf: (name) => jobs.all.get(name),
    putJob: jobs.put,
    executions: () => [...executions.all.values()],
    executionOf,
    plan: (next) => void plans.push(next),
    setQuota: (next) => {
      quota = next;
    },
    kill: executions.kill,
    killForMemory: executions.killForMemory,
    remove: executions.remove,
    logOf: executions.logOf,
    async close() {
      await server.close();
      await containers.close();
    },
  };
}

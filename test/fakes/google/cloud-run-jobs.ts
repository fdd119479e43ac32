import { randomUUID } from 'node:crypto';
import type { protos } from '@google-cloud/run';
import type { ExecutionPlan, ExecutionSpec, Executions } from './cloud-run-executions.ts';
import type { Operations } from './cloud-run-operations.ts';
import { timestamp } from './cloud-run-wire.ts';
import { alreadyExists, type Detail, GoogleFailure, invalidArgument, notFound } from './failure.ts';
import type { RpcMethod } from './rpc.ts';

type IJob = protos.google.cloud.run.v2.IJob;
type IOperation = protos.google.longrunning.IOperation;
type ContainerOverride = protos.google.cloud.run.v2.RunJobRequest.Overrides.IContainerOverride;
type Create = protos.google.cloud.run.v2.ICreateJobRequest;
type Update = protos.google.cloud.run.v2.IUpdateJobRequest;
type Named = { name?: string | null };
type List = protos.google.cloud.run.v2.IListJobsRequest;
type Listed = protos.google.cloud.run.v2.IListJobsResponse;
type Run = protos.google.cloud.run.v2.IRunJobRequest;

export interface Jobs {
  readonly all: ReadonlyMap<string, IJob>;
  put(name: string, job: IJob): void;
  readonly methods: {
    readonly CreateJob: RpcMethod<Create, IOperation>;
    readonly UpdateJob: RpcMethod<Update, IOperation>;
    readonly GetJob: RpcMethod<Named, IJob>;
    readonly ListJobs: RpcMethod<List, Listed>;
    readonly DeleteJob: RpcMethod<Named, IOperation>;
    readonly RunJob: RpcMethod<Run, IOperation>;
  };
}

/** Of a whole region. */
export interface RunQuota {
  readonly runsPerMinute: number;
  /** What a refusal asks for; until there is room again where not given. */
  readonly retrySeconds?: number;
}

export interface JobsOptions {
  readonly executions: Executions;
  readonly operations: Operations;
  readonly quota: () => RunQuota;
  readonly nextPlan: () => ExecutionPlan;
}

export function createJobs({ executions, operations, quota, nextPlan }: JobsOptions): Jobs {
  const all = new Map<string, IJob>();
  const runs: number[] = [];

  const jobAt = (name: string): IJob => {
    const job = all.get(name);
    if (job !== undefined) return job;
    const [, project, , region, , id] = name.split('/');
    throw notFound(`Resource '${id}' of kind 'JOB' in region '${region}' in project '${project}' does not exist.`);
  };

  const put = (name: string, job: IJob) => {
    refuseMalformed(job);
    const before = all.get(name);
    const generation = String(Number(before?.generation ?? 0) + 1);
    all.set(name, {
      ...job,
      name,
      uid: before?.uid ?? randomUUID(),
      createTime: before?.createTime ?? timestamp(Date.now()),
      updateTime: timestamp(Date.now()),
      generation,
      observedGeneration: generation,
      etag: `"${generation}"`,
      terminalCondition: { type: 'Ready', state: 'CONDITION_SUCCEEDED' },
    });
    return all.get(name)!;
  };

  const countRun = () => {
    const now = Date.now();
    while (runs.length > 0 && now - runs[0]! > 60_000) runs.shift();
    const { runsPerMinute, retrySeconds = Math.ceil(((runs[0] ?? now) + 60_000 - now) / 1000) } = quota();
    if (runs.length >= runsPerMinute) throw quotaExceeded(retrySeconds);
    runs.push(now);
  };

  return {
    all,
    put,
    methods: {
      CreateJob: {
        needs: ({ parent }) => ({ permission: 'run.jobs.create', resource: parent! }),
        handle({ parent, jobId, job, validateOnly }) {
          const name = `${parent}/jobs/${jobId}`;
          if (all.has(name)) throw alreadyExists(`Resource '${jobId}' already exists.`);
          return operations.done('Job', validateOnly === true ? checked(job) : put(name, job ?? {}));
        },
      },
      UpdateJob: {
        needs: ({ job }) => ({
          permission: all.has(job?.name ?? '') ? 'run.jobs.update' : 'run.jobs.create',
          resource: job?.name ?? '',
        }),
        handle({ job, allowMissing, validateOnly }) {
          const name = job?.name ?? '';
          if (allowMissing !== true) jobAt(name);
          return operations.done('Job', validateOnly === true ? checked(job) : put(name, job ?? {}));
        },
      },
      GetJob: { needs: needs('run.jobs.get'), handle: ({ name }) => jobAt(name!) },
      ListJobs: {
        needs: ({ parent }) => ({ permission: 'run.jobs.list', resource: parent! }),
        handle: ({ parent }) => ({
          jobs: [...all].flatMap(([name, job]) => (name.startsWith(`${parent}/`) ? [job] : [])),
        }),
      },
      DeleteJob: {
        needs: needs('run.jobs.delete'),
        handle({ name }) {
          const job = jobAt(name!);
          all.delete(name!);
          for (const execution of executions.all.values())
            if (execution.spec.job === name) executions.remove(execution);
          return operations.done('Job', job);
        },
      },
      RunJob: {
        needs: ({ name, overrides }) => ({
          permission: overrides == null ? 'run.jobs.run' : 'run.jobs.runWithOverrides',
          resource: name!,
        }),
        handle({ name, overrides, validateOnly }) {
          const spec = specOf(jobAt(name!), overrides ?? {});
          countRun();
          if (validateOnly === true) return operations.done('Execution', {});
          return operations.ofExecution(executions.run(spec, nextPlan()));
        },
      },
    },
  };
}

// --- Internal helpers ---

function needs(permission: string) {
  return ({ name }: Named) => ({ permission, resource: name! });
}

function checked(job: IJob | null | undefined): IJob {
  refuseMalformed(job ?? {});
  return job ?? {};
}

const envValueBytesMax = 32_768;
const defaults = { maxRetries: 3, timeoutSeconds: 600 };

function specOf(job: IJob, overrides: NonNullable<Run['overrides']>): ExecutionSpec {
  const { template, taskCount } = job.template ?? {};
  const [container] = template?.containers ?? [];
  const override = overrideOf(overrides.containerOverrides ?? []);
  // Those of the override replace those of the Job one by one.
  const env = Object.fromEntries(
    [...(container?.env ?? []), ...(override.env ?? [])].map(({ name, value }) => [name!, value ?? '']),
  );
  refuseLongValues(env);
  const timeoutSeconds = Number(overrides.timeout?.seconds ?? template?.timeout?.seconds ?? defaults.timeoutSeconds);
  if (!(timeoutSeconds > 0 && timeoutSeconds <= 604_800))
    throw invalidArgument('The request has errors. timeout: must be between 1 and 604800 seconds.');
  return {
    job: job.name!,
    taskCount: overrides.taskCount || taskCount || 1,
    timeoutMs: timeoutSeconds * 1000,
    maxRetries: template?.maxRetries ?? defaults.maxRetries,
    image: container?.image ?? '',
    env,
  };
}

function overrideOf(overrides: readonly ContainerOverride[]): ContainerOverride {
  if (overrides.length > 1) throw invalidArgument('The request has errors. A container override names no container.');
  return overrides[0] ?? {};
}

function refuseLongValues(env: Readonly<Record<string, string>>): void {
  const long = Object.entries(env).find(([, value]) => Buffer.byteLength(value) > envValueBytesMax);
  if (long !== undefined)
    throw invalidArgument(
      `Violation in RunJobRequest.overrides.container_overrides.env: the value of ${long[0]} must be at most ${envValueBytesMax} bytes.`,
    );
}

function refuseMalformed({ template }: IJob): void {
  const [container] = template?.template?.containers ?? [];
  if (!container?.image) throw invalidArgument('template.template.containers[0].image: is required.');
  refuseLongValues(Object.fromEntries((container.env ?? []).map(({ name, value }) => [name!, value ?? ''])));
}

function quotaExceeded(seconds: number): GoogleFailure {
  const details: Detail[] = [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'RATE_LIMIT_EXCEEDED',
      domain: 'googleapis.com',
      metadata: { service: 'run.googleapis.com', quota_metric: 'run.googleapis.com/job_run_requests' },
    },
    { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${seconds}s` },
  ];
  return new GoogleFailure(
    'RESOURCE_EXHAUSTED',
    "Quota exceeded for quota metric 'Job run requests' and limit 'Job run requests per minute per region' of service 'run.googleapis.com' for consumer 'project_number:123456789012'.",
    details,
  );
}

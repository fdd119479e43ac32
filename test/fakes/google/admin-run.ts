import { z } from 'zod';
import { type Policies, policyRoutes } from './admin-policies.ts';
import { refuse, type Service, type World } from './admin-world.ts';

/** By full name: what was sent last. */
export type RunResources = Map<string, Record<string, unknown>>;

const env = z.array(
  z.strictObject({
    name: z.string(),
    value: z.string().max(32_768).optional(),
    valueSource: z
      .strictObject({ secretKeyRef: z.strictObject({ secret: z.string(), version: z.string() }) })
      .optional(),
  }),
);
const pinned = z.string().regex(/^[a-z0-9.-]+\/\S+@sha256:[0-9a-f]{64}$/, 'image must be pinned here');
const resources = z.strictObject({
  limits: z.strictObject({ cpu: z.string(), memory: z.string() }),
  cpuIdle: z.boolean().optional(),
  startupCpuBoost: z.boolean().optional(),
});
const probe = z.looseObject({ httpGet: z.strictObject({ path: z.string(), port: z.number() }) });
const vpcAccess = z.strictObject({
  egress: z.enum(['ALL_TRAFFIC', 'PRIVATE_RANGES_ONLY']),
  networkInterfaces: z.array(z.strictObject({ network: z.string(), subnetwork: z.string() })).length(1),
});
const gen2 = z.literal('EXECUTION_ENVIRONMENT_GEN2');
const job = z.strictObject({
  launchStage: z.enum(['GA', 'BETA']).optional(),
  template: z.strictObject({
    taskCount: z.number(),
    template: z.strictObject({
      maxRetries: z.number(),
      timeout: z.string().regex(/^\d+s$/),
      serviceAccount: z.string(),
      executionEnvironment: gen2,
      vpcAccess: vpcAccess.optional(),
      containers: z
        .array(z.strictObject({ image: pinned, env, resources, sandboxLauncher: z.boolean().optional() }))
        .length(1),
    }),
  }),
});
const service = z.strictObject({
  ingress: z.literal('INGRESS_TRAFFIC_ALL'),
  template: z.strictObject({
    serviceAccount: z.string(),
    executionEnvironment: gen2,
    timeout: z.string(),
    maxInstanceRequestConcurrency: z.number().max(1000),
    scaling: z.strictObject({ minInstanceCount: z.number(), maxInstanceCount: z.number() }),
    containers: z
      .array(
        z.strictObject({
          image: pinned,
          command: z.array(z.string()),
          args: z.array(z.string()),
          ports: z.array(z.strictObject({ containerPort: z.number() })),
          env,
          resources,
          startupProbe: probe,
          livenessProbe: probe,
        }),
      )
      .length(1),
  }),
});

const jobPattern = 'projects/[^/]+/locations/[^/]+/jobs/[^/:]+';
const servicePattern = 'projects/[^/]+/locations/[^/]+/services/[^/:]+';

/** Cloud Run's jobs and services as things that are made, changed and deleted; nothing is run here. */
export function createRun(world: World, policies: Policies): { readonly all: RunResources; readonly service: Service } {
  const all: RunResources = new Map();
  const requireThere = (name: string) => {
    if (!all.has(name)) refuse('NOT_FOUND', `Resource '${name.split('/').at(-1)}' of kind 'JOB' does not exist.`);
  };
  const kind = (
    pattern: string,
    schema: z.ZodType<Record<string, unknown>>,
    accountOf: (body: Record<string, unknown>) => string,
  ) => [
    {
      method: 'GET',
      path: new RegExp(`^/v2/(${pattern})$`),
      answer({ groups: [name = ''] }: { groups: readonly string[] }) {
        requireThere(name);
        return { name, uid: `uid of ${name}`, generation: '1', uri: 'https://runyard-abc.a.run.app', ...all.get(name) };
      },
    },
    {
      method: 'PATCH',
      path: new RegExp(`^/v2/(${pattern})$`),
      answer({
        groups: [name = ''],
        body,
        query,
      }: {
        groups: readonly string[];
        body: object;
        query: URLSearchParams;
      }) {
        if (query.get('allowMissing') !== 'true') requireThere(name);
        const parsed = schema.safeParse(body);
        if (!parsed.success) return refuse('INVALID_ARGUMENT', z.prettifyError(parsed.error));
        world.requireAccount(accountOf(parsed.data));
        if (!all.has(name)) world.made.push(name.split('/').slice(-2).join(' '));
        else world.made.push(`change of ${name.split('/').slice(-2).join(' ')}`);
        all.set(name, parsed.data);
        return { name: operationName(name), done: false, metadata: { name } };
      },
    },
    {
      method: 'DELETE',
      path: new RegExp(`^/v2/(${pattern})$`),
      answer({ groups: [name = ''] }: { groups: readonly string[] }) {
        requireThere(name);
        all.delete(name);
        policies.remove(name);
        return { name: operationName(name), done: false };
      },
    },
  ];
  return {
    all,
    service: {
      host: 'run.googleapis.com',
      routes: [
        ...kind(jobPattern, job, (body) => job.parse(body).template.template.serviceAccount),
        ...kind(servicePattern, service, (body) => service.parse(body).template.serviceAccount),
        {
          method: 'GET',
          path: /^\/v2\/(projects\/[^/]+\/locations\/[^/]+\/operations\/[^/]+)$/,
          answer: ({ groups: [name] }) => ({ name, done: true, response: {} }),
        },
        ...policyRoutes('v2', jobPattern, policies, requireThere),
      ],
    },
  };
}

function operationName(name: string): string {
  return `${name.split('/').slice(0, 4).join('/')}/operations/1`;
}

import type { CloudPlace } from '../../contracts/cloud.ts';
import { clientOptions } from '../../lib/google.ts';
import { once } from '../../lib/once.ts';

/** Google's own clients, each made when it is first used. None of their operations is ever waited for. */
export function createClients({ project, endpoints }: CloudPlace) {
  const load = once(async () => ({
    ...(await import('@google-cloud/run')).v2,
    options: await clientOptions({ project, endpoint: endpoints.run }),
  }));
  const made: { close(): Promise<void> }[] = [];
  const keep = <T extends { close(): Promise<void> }>(client: T) => {
    made.push(client);
    return client;
  };
  return {
    jobs: once(async () => {
      const { JobsClient, options } = await load();
      return keep(new JobsClient(options));
    }),
    executions: once(async () => {
      const { ExecutionsClient, options } = await load();
      return keep(new ExecutionsClient(options));
    }),
    tasks: once(async () => {
      const { TasksClient, options } = await load();
      return keep(new TasksClient(options));
    }),
    async close() {
      await Promise.all(made.map((client) => client.close()));
    },
  };
}

export type Clients = ReturnType<typeof createClients>;

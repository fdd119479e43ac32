import { z } from 'zod';

/** What the runner orders, one after the other. Each is answered by one `Answer`; `finish` is obeyed at once. */
export type Order =
  /** Writes a file of the workspace; its content follows as an upload. */
  | { readonly order: 'place'; readonly path: string; readonly mode: number; readonly bytes: number }
  | { readonly order: 'door'; readonly port: number }
  /** Starts a program once its stdin has come as an upload. */
  | ({ readonly order: 'run'; readonly bytes: number } & RunOrder)
  /** Kills everything, lets what was printed run out. Any number of times. */
  | { readonly order: 'finish' };

export interface RunOrder {
  readonly argv: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly limits: ProcessLimits;
  /** Bytes and files that the workspace may hold; null where nobody looks. */
  readonly disk: readonly [number, number] | null;
}

/** Kept by the kernel for each process. */
export interface ProcessLimits {
  readonly fileBytes: number;
  readonly openFiles: number;
  /** Only where the engine keeps none for the container. */
  readonly dataBytes?: number;
  readonly processes?: number;
}

const standing = z.object({
  pid: z.int(),
  uids: z.array(z.int()),
  groups: z.array(z.int()),
  capabilities: z.record(z.string(), z.string()),
  noNewPrivileges: z.boolean(),
  isFiltered: z.boolean(),
  interfaces: z.array(z.string()),
  hostname: z.string(),
  rootIsReadOnly: z.boolean(),
  mounts: z.array(z.string()),
  ownsWorkspace: z.boolean(),
  programs: z.array(z.string()),
  /** Whether the kernel keeps limits for the container as a whole. */
  counted: z.object({ memory: z.boolean(), processes: z.boolean() }),
});

/** What pid 1 finds before anything untrusted has run. */
export type Standing = z.infer<typeof standing>;

const answer = z.discriminatedUnion('answer', [
  standing.extend({ answer: z.literal('ready') }),
  z.object({ answer: z.literal('done') }),
  z.object({ answer: z.literal('failed'), reason: z.string().max(1000) }),
  z.object({ answer: z.literal('ended'), exitCode: z.int().min(0).max(255), memoryKills: z.int() }),
  z.object({ answer: z.literal('finished'), outputIsEmpty: z.boolean() }),
]);
export type Answer = z.infer<typeof answer>;
export type Finished = Extract<Answer, { answer: 'finished' }>;

const news = z.object({ news: z.enum(['disk_limit', 'process_limit']) });
export type News = z.infer<typeof news>['news'];

/** What comes out of a container is outside data, though pid 1 is ours. */
export const saying = z.union([answer, news]);

/** Channels that both sides know of; connections have those above. */
export const channels = { stdout: 1, stderr: 2, upload: 3 } as const;

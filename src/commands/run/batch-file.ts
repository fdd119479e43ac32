import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { RunyardError } from '../../contracts/errors.ts';
import type { Inputs } from '../../contracts/inputs.ts';
import { toolOfKind } from '../../contracts/task-output.ts';
import { canonicalJson } from '../../lib/canonical-json.ts';
import { concurrently } from '../../lib/concurrently.ts';
import { SettingsError } from '../../lib/settings.ts';
import type { Tool, ToolServices } from '../../tools/index.ts';

/** A file of tasks, checked as a whole: nothing is started of a file with one wrong field. */
export interface Batch {
  readonly concurrency: number;
  readonly tasks: readonly BatchTask[];
}

export interface BatchTask {
  readonly id: string;
  readonly tool: Tool<ToolServices>;
  /** The tool's input, defaults of the file included. */
  readonly input: Readonly<Record<string, unknown>>;
}

const concurrencyMax = 100;
const concurrencyDefault = 8;
const fileBytesMax = 16 * 1024 * 1024;

const taskTools = [toolOfKind.claude, toolOfKind.code] as const;
/** They are the batch's own: it waits for every task, and is started again without harm. */
const ownFields = ['wait_seconds', 'idempotency_key'];

const fields = z
  .looseObject({})
  .refine((values) => ownFields.every((name) => !(name in values)), `must not hold ${ownFields.join(' or ')}`);

const batchFile = z.strictObject({
  concurrency: z.int().min(1).max(concurrencyMax).default(concurrencyDefault),
  defaults: fields.and(z.object({ id: z.undefined().optional() })).default({}),
  tasks: z
    .array(
      fields.and(
        z.object({
          id: z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/, 'must be a name of letters, digits and ._-'),
          tool: z.enum(taskTools).optional(),
        }),
      ),
    )
    .min(1),
});

export interface BatchSources {
  readonly tools: readonly Tool<ToolServices>[];
  readonly inputs: Pick<Inputs, 'resolve'>;
  readonly owner: string;
}

/** Throws SettingsError with one sentence that names the task and the field. */
export async function readBatch(path: string, { tools, inputs, owner }: BatchSources): Promise<Batch> {
  const parsed = batchFile.safeParse(await parseYaml(readText(path), path));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new SettingsError(`${path}: ${issue?.path.join('.') || 'the file'}: ${issue?.message}.`);
  }
  const { concurrency, defaults, tasks } = parsed.data;
  const ids = tasks.map(({ id }) => id);
  const twice = ids.find((id, index) => ids.indexOf(id) < index);
  if (twice !== undefined) throw new SettingsError(`${path}: two tasks are called ${twice}.`);
  const realPath = realpathSync(path);
  const whole = tasks.map((task) => ({
    ...defaults,
    ...task,
    ...inputsOf({ ...defaults, ...task }, dirname(realPath)),
  }));
  for (const task of whole) check(task, { path, tools });
  const brought = await concurrently(whole, bringAtOnce, (task) => withHashes(task, { path, inputs, owner }));
  return { concurrency, tasks: brought.map((task) => finishedTask(task, { realPath, tools })) };
}

// --- Internal helpers ---

type GivenTask = z.infer<typeof batchFile>['tasks'][number];

/** Folders are packed one after another: the disk is the same. */
const bringAtOnce = 2;
const bringTimeoutMs = 60 * 60_000;

const givenInputs = z.array(z.looseObject({ from: z.string() }));

/** Paths count from the file. What has another shape is left for the tool to refuse. */
function inputsOf({ inputs }: GivenTask, folder: string): { inputs?: unknown } {
  const given = givenInputs.safeParse(inputs);
  if (!given.success) return {};
  const isPath = (from: string) => !/^(sha256:|[a-z]+:\/\/)/.test(from);
  return {
    inputs: given.data.map((each) => (isPath(each.from) ? { ...each, from: resolve(folder, each.from) } : each)),
  };
}

function check(
  { id, tool, ...given }: GivenTask,
  { path, tools }: { path: string; tools: BatchSources['tools'] },
): void {
  try {
    toolOf(tool, tools).check(given);
  } catch (error) {
    throw refusedAt(path, id, error);
  }
}

/** The task with the hashes of its inputs, so that changed contents are another request. */
async function withHashes(
  task: GivenTask,
  { path, inputs, owner }: { path: string } & Pick<BatchSources, 'inputs' | 'owner'>,
): Promise<GivenTask> {
  const given = givenInputs.safeParse(task.inputs);
  if (!given.success) return task;
  try {
    const signal = AbortSignal.timeout(bringTimeoutMs);
    const kept = given.data.map(async (each) => ({
      ...each,
      from: `sha256:${await inputs.resolve(each.from, owner, signal)}`,
    }));
    return { ...task, inputs: await Promise.all(kept) };
  } catch (error) {
    throw refusedAt(path, task.id, error);
  }
}

function finishedTask(
  { id, tool, ...given }: GivenTask,
  { realPath, tools }: { realPath: string; tools: BatchSources['tools'] },
): BatchTask {
  const input = { ...given, idempotency_key: idempotencyKey(realPath, id, given) };
  return { id, tool: toolOf(tool, tools), input };
}

function toolOf(name: GivenTask['tool'] = toolOfKind.claude, tools: BatchSources['tools']): Tool<ToolServices> {
  return tools.find((each) => each.name === name)!;
}

function refusedAt(path: string, id: string, error: unknown): unknown {
  return error instanceof RunyardError
    ? new SettingsError(`${path}: task ${id}: ${error.message.replace(/\.$/, '')}.`)
    : error;
}

/** The same file, the same name and the same request are the same task, however often the batch is started. */
function idempotencyKey(realPath: string, id: string, input: Readonly<Record<string, unknown>>): string {
  const text = canonicalJson({ file: realPath, id, input });
  return `batch-${createHash('sha256').update(text).digest('hex')}`;
}

function readText(path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (Buffer.byteLength(text) <= fileBytesMax) return text;
  } catch (cause) {
    throw new SettingsError(`${path} cannot be read.`, { cause });
  }
  throw new SettingsError(`${path} is larger than 16 MiB.`);
}

/** JSON is YAML as well. */
async function parseYaml(text: string, path: string): Promise<unknown> {
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { uniqueKeys: true });
  const [error] = document.errors;
  if (error !== undefined) throw new SettingsError(`${path}: ${error.message.split('\n')[0]}`);
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    // An alias without its anchor, or more of them than a file of tasks can need.
    throw new SettingsError(`${path}: ${cause instanceof Error ? cause.message : 'it is no YAML'}.`, { cause });
  }
}

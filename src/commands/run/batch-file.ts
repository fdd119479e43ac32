import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { z } from 'zod';
import { RunyardError } from '../../contracts/errors.ts';
import { toolOfKind } from '../../contracts/task-output.ts';
import { canonicalJson } from '../../lib/canonical-json.ts';
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

/** Throws SettingsError with one sentence that names the task and the field. */
export async function readBatch(path: string, tools: readonly Tool<ToolServices>[]): Promise<Batch> {
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
  return {
    concurrency,
    tasks: tasks.map((task) => checkedTask({ ...defaults, ...task }, { path, realPath, tools })),
  };
}

// --- Internal helpers ---

function checkedTask(
  task: z.infer<typeof batchFile>['tasks'][number],
  { path, realPath, tools }: { path: string; realPath: string; tools: readonly Tool<ToolServices>[] },
): BatchTask {
  const { id, tool: name = toolOfKind.claude, ...given } = task;
  const tool = tools.find((each) => each.name === name)!;
  try {
    tool.check(given);
  } catch (error) {
    if (error instanceof RunyardError) throw new SettingsError(`${path}: task ${id}: ${error.message}.`);
    throw error;
  }
  return { id, tool, input: { ...given, idempotency_key: idempotencyKey(realPath, id, given) } };
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
  return document.toJS({ maxAliasCount: 100 });
}

import { asRunyardError } from '../contracts/errors.ts';
import type { TaskId } from '../contracts/ids.ts';
import type { TaskRecord } from '../contracts/task.ts';
import type { Logger } from '../lib/logger.ts';

/** What keeps this server from learning what became of a task, as long as it lasts. */
export interface Troubles {
  /**
   * Whether the work settled something. What it throws is none: the truth may still come from the runner itself. It is
   * logged where it is new, and told by `of` where somebody must mend it first.
   */
  watch(record: TaskRecord, settle: () => Promise<boolean>): Promise<boolean>;
  /** In words for whoever waits for this task. */
  of(record: TaskRecord): string | undefined;
}

/** What is forgotten is found out again. */
const rememberedMax = 1000;

export function createTroubles(log: Logger): Troubles {
  /** Oldest first. */
  const known = new Map<TaskId, { readonly message: string; readonly told: string | undefined }>();

  const note = ({ id }: TaskRecord, thrown: unknown) => {
    const error = asRunyardError(thrown);
    if (known.get(id)?.message !== error.message)
      log.warn({ task: id, error: thrown }, 'what became of a task cannot be found out now; it is tried again');
    known.delete(id);
    known.set(id, { message: error.message, told: error.retryable ? undefined : `${error.message} ${error.hint}` });
    const [oldest] = known.keys();
    if (known.size > rememberedMax && oldest !== undefined) known.delete(oldest);
  };

  return {
    async watch(record, settle) {
      try {
        const settled = await settle();
        known.delete(record.id);
        return settled;
      } catch (thrown) {
        note(record, thrown);
        return false;
      }
    },
    of: ({ id }) => known.get(id)?.told,
  };
}

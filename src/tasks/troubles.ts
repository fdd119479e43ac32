import { asRunyardError } from '../contracts/errors.ts';
import type { TaskId } from '../contracts/ids.ts';
import type { TaskRecord } from '../contracts/task.ts';
import type { Logger } from '../lib/logger.ts';

/** What keeps this server from learning what became of a task, as long as it lasts. */
export interface Troubles {
  /**
   * Whether the work settled something. What it throws is none: the truth may still come from the runner itself. It is
   * logged where it is new, and told by `of` until the work is done.
   */
  watch(record: TaskRecord, settle: () => Promise<boolean>): Promise<boolean>;
  /** In words for whoever waits for this task. */
  of(record: TaskRecord): string | undefined;
}

/** What is forgotten is found out again. */
const rememberedMax = 1000;

export function createTroubles(log: Logger): Troubles {
  /** What is told of each, oldest first. */
  const known = new Map<TaskId, string>();

  const note = ({ id }: TaskRecord, thrown: unknown) => {
    const { message, hint } = asRunyardError(thrown);
    const words = `${message} ${hint}`;
    if (known.get(id) !== words)
      log.warn({ task: id, error: thrown }, 'what became of a task cannot be found out now; it is tried again');
    known.delete(id);
    known.set(id, words);
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
    of: ({ id }) => known.get(id),
  };
}

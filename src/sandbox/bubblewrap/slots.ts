import type { CgroupTree } from './cgroup-tree.ts';
import { type Slot, takeSlot } from './slot.ts';

/** The slots this process holds: those in use and those that wait for their next wall. */
export interface Slots {
  take(): Promise<Slot>;
  giveBack(slot: Slot): Promise<void>;
  /** Gives up those that wait; those in use are given up when they come back. */
  close(): Promise<void>;
}

export function createSlots(workDir: string, cgroups: CgroupTree, keep: number): Slots {
  const idle: Slot[] = [];
  const state = { isClosed: false };
  return {
    take: async () => idle.shift() ?? takeSlot(workDir, cgroups),
    giveBack: async (slot) => {
      if (state.isClosed || idle.length >= keep) await slot.release();
      else idle.push(slot);
    },
    close: async () => {
      state.isClosed = true;
      await Promise.all(idle.splice(0).map((slot) => slot.release()));
    },
  };
}

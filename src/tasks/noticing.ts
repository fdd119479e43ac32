import type { Noticing } from '../contracts/task-service.ts';

/** Where the runner tells this server what happens, and looks cost next to nothing. */
export const noticingByNews: Noticing = {
  firstLookMs: 2000,
  maxLookMs: 2000,
  looksPerSecond: 1000,
  looksAtOnce: 64,
  firstInspectionMs: 1000,
  maxInspectionMs: 2000,
};

/** Where nothing is told, and each look is a paid request: a bucket. The backend itself keeps to the quota of questions. */
export const noticingByLooks: Noticing = {
  firstLookMs: 250,
  maxLookMs: 2000,
  looksPerSecond: 200,
  looksAtOnce: 16,
  firstInspectionMs: 2000,
  maxInspectionMs: 10_000,
};

/** How a runner ends that works for one task alone, as the platform that started it sees it. */
export const runnerExitCodes = {
  /** Its result is stored, or the run belongs to somebody else. */
  done: 0,
  /** It has stored no result; its log says why. */
  failed: 1,
  /** The token to read its task had expired before it began; nothing was claimed, and a new launch brings a new one. */
  tokenExpired: 75,
  /** The store refused what it wrote, and would again: an operator has to set it right. */
  storeRefused: 77,
  /** It was stopped before it had claimed its run. */
  stopped: 143,
} as const;

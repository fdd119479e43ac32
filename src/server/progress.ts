/** Clients and proxies give up on a silent call; 15 s is the promise. */
const progressEveryMs = 10_000;

export interface Progress {
  /** Seconds since the call began. */
  readonly progress: number;
  readonly message: string;
}

/** Tells, as long as a call lasts, that it is alive. Returns what ends it. */
export function startProgress({ title }: { title: string }, tell: (progress: Progress) => void): () => void {
  const startedAtMs = performance.now();
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - startedAtMs) / 1000);
    tell({ progress: seconds, message: `${title}: waiting for ${seconds} s` });
  }, progressEveryMs);
  return () => clearInterval(timer);
}

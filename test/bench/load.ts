/** How busy the machine is, for tests that bound a time: what somebody else's work takes is no fault of ours. */

const spinMs = 60;

/** How many times longer than alone a piece of work takes at this moment; 1 where the processors are free. */
export function contention(): number {
  const startedAt = performance.now();
  const before = process.threadCpuUsage();
  while (processorMs(before) < spinMs);
  return Math.max(1, (performance.now() - startedAt) / spinMs);
}

/** What the work takes of the processor, in milliseconds, which a busy machine makes no longer. */
export function processorMsOf(work: () => unknown): number {
  const before = process.threadCpuUsage();
  work();
  return processorMs(before);
}

function processorMs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

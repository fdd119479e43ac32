/**
 * The outcome of `work`; undefined where it takes longer than that, or the signal is aborted meanwhile: what it comes to
 * then, a failure too, is nobody's. A timer of its own: a signal that aborts in time costs more.
 */
export function withinTime<T>(work: Promise<T>, timeoutMs: number, signal?: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const letGo = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', letGo);
      resolve(undefined);
    };
    const timer = setTimeout(letGo, timeoutMs);
    signal?.addEventListener('abort', letGo, { once: true });
    // What has the outcome already is not changed by letting go of it.
    work.then(resolve, reject).finally(letGo);
  });
}

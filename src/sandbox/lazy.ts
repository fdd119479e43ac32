import { asRunyardError, RunyardError } from '../contracts/errors.ts';
import type { Sandbox } from '../contracts/sandbox.ts';
import { once } from '../lib/once.ts';

/** A sandbox whose code is loaded by its first use. */
export function lazySandbox(technology: Sandbox['technology'], load: () => Promise<Sandbox>): Sandbox {
  const state = { isLoaded: false };
  const loaded = once(() => {
    state.isLoaded = true;
    return load();
  });
  return {
    technology,
    // What cannot be loaded is told by `enter`.
    warm: () =>
      void loaded().then(
        (sandbox) => sandbox.warm(),
        () => undefined,
      ),
    enter: async (options) => (await loaded()).enter(options),
    close: async () => {
      if (state.isLoaded) await (await loaded()).close();
    },
  };
}

/** Never goes without a wall: every run is refused. */
export function refusingSandbox(refusal: RunyardError): Sandbox {
  return {
    technology: 'none',
    warm: () => undefined,
    enter: () => Promise.reject(refusal),
    close: async () => undefined,
  };
}

/** The second choice: where it cannot be built either, the refusal tells of both, and how to bring each. */
export function insteadOf(first: RunyardError, second: Sandbox): Sandbox {
  const both = (error: unknown) => {
    const refusal = asRunyardError(error);
    if (refusal.code !== 'sandbox_unavailable') return error;
    return new RunyardError(refusal.code, `${first.message} ${refusal.message}`, {
      hint: `${first.hint} Or: ${refusal.hint}`,
      cause: error,
    });
  };
  return {
    ...second,
    enter: (options) =>
      second.enter(options).catch((error) => {
        throw both(error);
      }),
  };
}

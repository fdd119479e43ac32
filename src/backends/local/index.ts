import type { Backend } from '../../contracts/backend.ts';
import { RunyardError } from '../../contracts/errors.ts';
import { handleOf, inspectProcess } from './process-handle.ts';
import { type RunnerProcess, type RunnerProcessOptions, startRunner } from './runner-process.ts';

export interface LocalBackend extends Backend {
  /** Starts the runner ahead of need. */
  warm(): void;
}

/** One runner process for this server, working many runs at once; a new one where the last has ended. */
export function createLocalBackend(options: RunnerProcessOptions): LocalBackend {
  let runner: RunnerProcess | undefined;

  const livingRunner = (): RunnerProcess => {
    // What was killed is dead for the kernel before its parent hears of it.
    if (runner?.alive !== true || handleOf(runner.pid) === undefined) runner = startRunner(options);
    return runner;
  };

  return {
    id: 'local',
    warm: () => void livingRunner(),
    async launch(task) {
      const chosen = livingRunner();
      await chosen.send({ task: task.id });
      const handle = handleOf(chosen.pid);
      if (handle === undefined) {
        throw new RunyardError('backend_error', `The runner ended at its start; ${options.logFile} says why.`);
      }
      return handle;
    },
    inspect: async (handle) => inspectProcess(handle),
    /** Another server's runner finds the object by itself. */
    async cancel(handle, task) {
      const asked = runner;
      if (asked?.alive !== true || handle.pid !== asked.pid) return;
      await asked.send({ task }).catch((error: unknown) => {
        // Killed a moment ago: there is nobody left to wake.
        if (handleOf(asked.pid) !== undefined) throw error;
      });
    },
    async close() {
      runner?.release();
    },
  };
}

import type { Backend } from '../../contracts/backend.ts';
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
    if (runner?.alive !== true) runner = startRunner(options);
    return runner;
  };

  return {
    id: 'local',
    warm: () => void livingRunner(),
    async launch(task) {
      const chosen = livingRunner();
      await chosen.send({ task: task.id });
      return handleOf(chosen.pid);
    },
    inspect: async (handle) => inspectProcess(handle),
    /** Another server's runner finds the object by itself. */
    async cancel(handle, task) {
      if (runner?.alive === true && handle.pid === runner.pid) await runner.send({ task });
    },
    async close() {
      runner?.release();
    },
  };
}

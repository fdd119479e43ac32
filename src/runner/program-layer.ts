import type { Program, Wall, WallEnd } from '../contracts/sandbox.ts';
import type { RunError } from '../contracts/task.ts';

/** What a program is wrapped in: steps before and after its own, and what lies in the wall for them. */
export interface ProgramLayer {
  /** How many steps come before the program's own. */
  readonly stepsBefore: number;
  around(program: Omit<Program, 'limits'>): Omit<Program, 'limits'>;
  /** Brings what it needs into the run's wall. */
  lay(place: Wall['place']): Promise<void>;
  /** The end of what it wraps, or why that never began. */
  endOfProgram(end: WallEnd, stderr: string): EndOfProgram;
}

export interface EndOfProgram {
  readonly end: WallEnd;
  readonly error?: RunError;
}

/** Several layers as one, the innermost first. */
export function stackOf(layers: readonly ProgramLayer[]): ProgramLayer {
  const outermostFirst = layers.toReversed();
  return {
    stepsBefore: layers.reduce((sum, { stepsBefore }) => sum + stepsBefore, 0),
    around: (program) => layers.reduce((inner, layer) => layer.around(inner), program),
    async lay(place) {
      for (const layer of outermostFirst) await layer.lay(place);
    },
    endOfProgram: (end, stderr) =>
      outermostFirst.reduce<EndOfProgram>(
        (reached, layer) => (reached.error === undefined ? layer.endOfProgram(reached.end, stderr) : reached),
        { end },
      ),
  };
}

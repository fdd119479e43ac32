import { asRunyardError, RunyardError } from '../contracts/errors.ts';
import type { Inputs } from '../contracts/inputs.ts';
import type { TaskSpec } from '../contracts/task.ts';

/** Packing a large folder takes minutes; whoever submits waits for it, because nothing may start without it. */
const bringingTimeoutMs = 15 * 60_000;

/** The spec with hashes in place of where its inputs came from, each kept in the store by now. */
export async function withInputs(inputs: Pick<Inputs, 'resolve'>, spec: TaskSpec, owner: string): Promise<TaskSpec> {
  if (spec.kind !== 'claude' || spec.inputs === undefined) return spec;
  const signal = AbortSignal.timeout(bringingTimeoutMs);
  const kept = spec.inputs.map(async ({ name, from }, index) => {
    try {
      return { name, from: `sha256:${await inputs.resolve(from, owner, signal)}` };
    } catch (cause) {
      const { code, message, hint } = asRunyardError(cause);
      throw new RunyardError(code, `inputs[${index}].from: ${message}`, { hint, cause });
    }
  });
  return { ...spec, inputs: await Promise.all(kept) };
}

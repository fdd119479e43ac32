import { z } from 'zod';
import { processIdentity } from '../../lib/process-identity.ts';
import type { Engine } from './engine.ts';
import { ownerLabel } from './ground.ts';

const owner = z.object({ boot: z.string(), pidNamespace: z.string(), pid: z.int(), startTime: z.string() });
const inspected = z.array(
  z.object({
    Id: z.string(),
    State: z.object({ Running: z.boolean() }),
    Config: z.object({ Labels: z.record(z.string(), z.string()) }),
  }),
);

/**
 * Removes what dead runners left: containers labelled for a process of this machine that is gone, and those of another
 * boot that do not run. What another machine or another pid namespace started on the same engine is not judged.
 */
export async function removeAbandoned(engine: Engine): Promise<void> {
  const ids = await engine.run(['ps', '--all', '--quiet', '--no-trunc', '--filter', `label=${ownerLabel}`]);
  for (const id of ids.split('\n').filter((line) => line !== '')) {
    // Each by itself: one that goes meanwhile is no reason to keep the others.
    if (await isAbandoned(engine, id).catch(() => false))
      await engine.run(['rm', '--force', '--volumes', id]).catch(ignore);
  }
}

async function isAbandoned(engine: Engine, id: string): Promise<boolean> {
  const [container] = inspected.parse(JSON.parse(await engine.run(['container', 'inspect', id])));
  if (container === undefined) return false;
  const label: unknown = JSON.parse(container.Config.Labels[ownerLabel] ?? 'null');
  const { success, data } = owner.safeParse(label);
  const own = processIdentity(process.pid);
  if (!success || own === undefined) return false;
  if (data.boot !== own.boot) return !container.State.Running;
  return data.pidNamespace === own.pidNamespace && processIdentity(data.pid)?.startTime !== data.startTime;
}

function ignore(): void {
  // The next runner tries it again.
}

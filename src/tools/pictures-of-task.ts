import type { TaskOutput } from '../contracts/task-output.ts';
import type { TaskService } from '../contracts/task-service.ts';
import type { Call, Image } from './define-tool.ts';
import { imageOf, imageTypes } from './images.ts';

/** More would crowd a model's context; the rest is a read_artifact away. */
const picturesMax = 4;
const pictureBytesMax = 256 * 1024;

/** The small pictures that a task left below `output/`. */
export async function picturesOfTask(
  { task_id, artifacts = [] }: TaskOutput,
  { caller }: Call,
  tasks: Pick<TaskService, 'artifact'>,
): Promise<readonly Image[]> {
  const small = artifacts.filter(
    ({ path, mime_type, size_bytes }) =>
      path.startsWith('output/') && imageTypes.has(mime_type) && size_bytes <= pictureBytesMax,
  );
  const read = small.slice(0, picturesMax).map(async ({ run = 0, path }) => {
    const { bytes } = await tasks.artifact(task_id, caller, { run, path, offset: 0 });
    return imageOf(bytes);
  });
  return (await Promise.all(read)).filter((image) => image !== undefined);
}

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { RunyardError } from '../../contracts/errors.ts';
import type { Engine } from './engine.ts';

/** The same from `src/` and from `dist/`. */
const packageRoot = new URL('../../../', import.meta.url);

const manifest = z.object({ version: z.string() });

/** The image that belongs to this version; built by whoever runs it, for there is no place it could be fetched from. */
export function defaultImage(): string {
  const { version } = manifest.parse(JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')));
  return `runyard-sandbox:${version}`;
}

/** The command that makes the image, to be copied into a shell. */
function buildCommand(engine: Pick<Engine, 'name'>, image: string): string {
  const root = fileURLToPath(packageRoot).replace(/\/$/, '');
  return `${engine.name} build --tag ${quoted(image)} --file ${quoted(`${root}/sandbox-image/Dockerfile`)} ${quoted(root)}`;
}

export function imageMissing(engine: Pick<Engine, 'name'>, image: string): RunyardError {
  return new RunyardError('sandbox_unavailable', `${engine.name} has no image called ${image}.`, {
    hint: `Build it once, which takes some minutes: ${buildCommand(engine, image)}`,
  });
}

export async function hasImage(engine: Engine, image: string): Promise<boolean> {
  return engine.run(['image', 'inspect', '--format', '{{.Id}}', image]).then(
    () => true,
    () => false,
  );
}

function quoted(word: string): string {
  return /^[\w./:@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

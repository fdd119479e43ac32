import { isAbsolute } from 'node:path';
import { secretReference } from '../contracts/secrets.ts';
import { SettingsError } from '../lib/settings.ts';
import { isServersOwn } from './secrets.ts';

/** Where the operator's default prompt stands; it is read anew for every task. */
export type PromptPlace =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'object'; readonly bucket: string; readonly name: string }
  | { readonly kind: 'secret'; readonly reference: string };

const objectPlace = /^gs:\/\/([a-z0-9][a-z0-9._-]{1,61}[a-z0-9])\/([^\r\n]+)$/;
const objectNameBytesMax = 1024;

/**
 * `@FILE`, `gs://BUCKET/OBJECT` or a secret's reference. Never the prompt itself, which would not change without a restart.
 * `hasCloud`: whether it is known where in the cloud this installation lies.
 */
export function readPromptPlace(setting: string | undefined, said: string, hasCloud: boolean): PromptPlace | undefined {
  if (setting === undefined) return undefined;
  const place = placeOf(setting);
  if (place === undefined) {
    throw new SettingsError(`${said} must be @/absolute/path, gs://bucket/object, env:NAME or secret-manager:NAME.`);
  }
  if (place.kind === 'secret' && isServersOwn(place.reference)) {
    throw new SettingsError(`${said}: ${place.reference} is the server's own and can never be given to a task.`);
  }
  if (!hasCloud && (place.kind === 'object' || setting.startsWith('secret-manager:'))) {
    throw new SettingsError(`${said} lies in Google's cloud: set RUNYARD_PROJECT and RUNYARD_REGION too.`);
  }
  return place;
}

function placeOf(setting: string): PromptPlace | undefined {
  if (secretReference.test(setting)) return { kind: 'secret', reference: setting };
  if (setting.startsWith('@') && isAbsolute(setting.slice(1))) return { kind: 'file', path: setting.slice(1) };
  const [, bucket, name] = objectPlace.exec(setting) ?? [];
  if (bucket === undefined || name === undefined || Buffer.byteLength(name) > objectNameBytesMax) return undefined;
  return { kind: 'object', bucket, name };
}

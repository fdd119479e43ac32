import { SettingsError } from '../../lib/settings.ts';
import { parseImage } from './image.ts';
import type { Network } from './installation.ts';

export interface DeployFlags {
  readonly mode: 'deploy' | 'plan' | 'remove';
  readonly image: string | undefined;
  readonly service: boolean;
  readonly network: Network | undefined;
  /** The others are settings, such as `--project`. */
  readonly settings: readonly string[];
}

const switches = ['--plan', '--remove', '--service'];
const valued = ['--image', '--vpc'];

/** Throws SettingsError with one sentence. */
export function readDeployFlags(flags: readonly string[]): DeployFlags {
  const settings: string[] = [];
  const on = new Set<string>();
  const values = new Map<string, string>();
  const rest = [...flags];
  for (let flag = rest.shift(); flag !== undefined; flag = rest.shift()) {
    const [name = '', inline] = splitOnce(flag);
    if (switches.includes(name)) {
      if (inline !== undefined) throw new SettingsError(`${name} takes no value.`);
      on.add(name);
    } else if (valued.includes(name)) {
      const value = inline ?? rest.shift();
      if (value === undefined || value === '' || value.startsWith('--'))
        throw new SettingsError(`${name} needs a value.`);
      values.set(name, value);
    } else settings.push(flag);
  }
  if (on.has('--remove') && on.size + values.size > 1)
    throw new SettingsError('--remove takes no other flag of deploy.');
  const image = values.get('--image');
  if (image !== undefined) parseImage(image);
  const vpc = values.get('--vpc');
  return {
    mode: on.has('--remove') ? 'remove' : on.has('--plan') ? 'plan' : 'deploy',
    image,
    service: on.has('--service'),
    network: vpc === undefined ? undefined : parseNetwork(vpc),
    settings,
  };
}

function splitOnce(flag: string): [string, string | undefined] {
  const at = flag.indexOf('=');
  return at === -1 ? [flag, undefined] : [flag.slice(0, at), flag.slice(at + 1)];
}

const resourceName = '[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?';
const networkPattern = new RegExp(`^(${resourceName})/(${resourceName})$`);

function parseNetwork(text: string): Network {
  const [, network, subnet] = networkPattern.exec(text) ?? [];
  if (network === undefined || subnet === undefined) {
    throw new SettingsError(`--vpc must be NETWORK/SUBNET, such as default/default; "${text}" is not.`);
  }
  return { network, subnet };
}

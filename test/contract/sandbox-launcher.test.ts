import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import { createLauncher } from '../../src/sandbox/cloud-run-launcher/index.ts';
import { makeLauncherInstance } from '../fakes/launcher/instance.ts';
import { sandboxEndsContract } from './sandbox-ends-suite.ts';
import { sandboxLimitsContract } from './sandbox-limits-suite.ts';
import { sandboxContract } from './sandbox-suite.ts';

const base = mkdtempSync(join(tmpdir(), 'runyard-launcher-wall-'));
const instance = makeLauncherInstance();
const sandbox = createLauncher({
  launcherPath: instance.path,
  workDir: join(base, 'work'),
  nodePath: process.execPath,
  slots: 1,
});

beforeAll(() => {
  closeInheritedDescriptors();
  chmodSync(base, 0o711);
});

afterAll(async () => {
  await sandbox.close();
  instance.remove();
  rmSync(base, { recursive: true });
});

sandboxContract('launcher', () => sandbox, { namesUser: false });
sandboxEndsContract('launcher', () => sandbox, { helpers: 2 });
sandboxLimitsContract('launcher', () => sandbox, { counted: false });

import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { findCgroups } from '../../src/sandbox/bubblewrap/cgroup-tree.ts';
import { createBubblewrap } from '../../src/sandbox/bubblewrap/index.ts';
import { closeInheritedDescriptors } from '../../src/sandbox/bubblewrap/inherited.ts';
import { sandboxEndsContract } from './sandbox-ends-suite.ts';
import { sandboxLimitsContract } from './sandbox-limits-suite.ts';
import { sandboxContract } from './sandbox-suite.ts';

const workDir = mkdtempSync(join(tmpdir(), 'runyard-wall-'));
const sandbox = createBubblewrap({ workDir: `${workDir}/work`, nodePath: process.execPath, slots: 2 });

beforeAll(() => {
  closeInheritedDescriptors();
  // mkdtemp makes it 0700; as root the walls' own users must get through.
  chmodSync(workDir, 0o711);
});

afterAll(async () => {
  await sandbox.close();
  rmSync(workDir, { recursive: true });
});

sandboxContract('bubblewrap', () => sandbox);
sandboxEndsContract('bubblewrap', () => sandbox);
sandboxLimitsContract('bubblewrap', () => sandbox, { counted: (await findCgroups()).parents.memory !== undefined });

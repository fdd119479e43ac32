import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import { tryIn } from './harness.ts';
import { openSandbox } from './open.ts';

/**
 * A runner of its own: `node child.ts REQUEST`. The test prepares its environment, descriptors or keyring, and may
 * kill it. What the program prints comes out as it comes; a refusal of the wall is told on stderr with exit code 3.
 */
const request = z.object({
  workDir: z.string(),
  argv: z.array(z.string()),
  files: z.array(z.object({ path: z.string(), content: z.base64() })),
  closesInherited: z.boolean(),
});

const { workDir, argv, files, closesInherited } = request.parse(JSON.parse(process.argv[2] ?? ''));
/** Lies in this process as a caller's secret would: in its memory and on no command line. */
const memory = readFileSync(0);
if (closesInherited) closeInheritedDescriptors();
const sandbox = openSandbox(workDir);
process.stdout.write('entering\n');
try {
  await tryIn(sandbox, {
    argv,
    files: files.map(({ path, content }) => ({ path, content: Buffer.from(content, 'base64') })),
    onOutput: (chunk) => void process.stdout.write(chunk),
  });
} catch (error) {
  process.stderr.write(String(error));
  process.exitCode = 3;
}
await sandbox.close();
memory.fill(0);

#!/usr/bin/env node
import * as nodeModule from 'node:module';

/** Parsed by every Node there is: it says which one is needed before anything newer is loaded. */
const needed = { major: 22, minor: 12 };
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < needed.major || (major === needed.major && minor < needed.minor)) {
  process.stderr.write(
    `Runyard needs Node.js ${needed.major}.${needed.minor} or newer; this is ${process.versions.node} (${process.execPath}).\n`,
  );
  process.exitCode = 1;
} else {
  nodeModule.enableCompileCache?.();
  const { runCommand } = await import('./commands/index.ts');
  process.exitCode = await runCommand(process.argv.slice(2));
}

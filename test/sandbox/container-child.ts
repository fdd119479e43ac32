import { createContainer } from '../../src/sandbox/container/index.ts';

/** A runner of its own, to be killed: `node container-child.ts IMAGE`. Prints `up` once its program runs. */
const sandbox = createContainer({ image: process.argv[2], env: process.env, slots: 1 });
const wall = await sandbox.enter({ door: false, signal: AbortSignal.timeout(30_000) });
const stubborn = 'trap "" TERM INT HUP; (setsid sleep 600 &); echo up; sleep 600';
const limits = { memoryBytes: 512 * 1024 ** 2, cpus: 1, processes: 64, workspaceBytes: 2 ** 28, workspaceInodes: 1000 };
const running = wall.start(
  { steps: [{ name: 'stubborn', argv: ['/bin/bash', '-c', stubborn] }], env: {}, stdin: Buffer.alloc(0), limits },
  { output: (_, chunk) => void process.stdout.write(chunk) },
);
await running.ended;

import { defineConfig } from 'vitest/config';

/** The tests of the tools once more, on this engine; `test/tools/engine.ts` reads the variable. */
const toolsOn = (engine: string, files = '*') => ({
  extends: true as const,
  test: { name: engine, include: [`test/tools/**/${files}.test.ts`], env: { RUNYARD_TEST_ON: engine } },
});

const one = process.env.RUNYARD_TEST_ON;
const everything = { extends: true as const, test: { name: 'local', include: ['test/**/*.test.ts'] } };

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Of two cores: a test waits for processes and clocks more than half of its time.
    maxWorkers: 3,
    // One second is little where the machine is busy; what comes sooner is waited for no longer.
    expect: { poll: { timeout: 20_000 } },
    // The wall of the launcher has its own tests below test/contract; here it is tried by what asks most of a wall.
    projects:
      one === undefined
        ? [everything, toolsOn('cloud-run'), toolsOn('container'), toolsOn('cloud-run-launcher', '*claude*')]
        : [toolsOn(one)],
  },
});

import { afterAll, beforeAll, describe } from 'vitest';
import type { Sandbox } from '../../src/contracts/sandbox.ts';
import { closeInheritedDescriptors } from '../../src/lib/descriptors.ts';
import type { Engine } from '../../src/sandbox/container/engine.ts';
import { createContainer } from '../../src/sandbox/container/index.ts';
import { buildTimeoutMs, testImage } from './container-image.ts';

/** The container wall on the image of this very checkout; skipped, and says so, where there can be none. */

export interface ContainerBench {
  readonly sandbox: () => Sandbox;
  readonly engine: () => Engine;
  readonly image: () => string;
  /** Whether the engine keeps limits for a container as a whole. */
  readonly counted: boolean;
}

const found = await testImage();

/** A group of tests of one sandbox on the image. Building the image is part of the collection, and cached. */
export function describeContainer(title: string, tests: (bench: ContainerBench) => void): void {
  if ('missing' in found) {
    describe.skip(`${title} (skipped: needs ${found.missing})`, () => tests(nowhere));
    return;
  }
  describe(title, () => {
    const sandbox = createContainer({ image: found.image, env: process.env, slots: 2 });
    beforeAll(() => closeInheritedDescriptors(), buildTimeoutMs);
    afterAll(() => sandbox.close());
    tests({
      sandbox: () => sandbox,
      engine: () => found.engine,
      image: () => found.image,
      counted: found.engine.limits,
    });
  });
}

const nowhere: ContainerBench = { sandbox: fail, engine: fail, image: fail, counted: false };

function fail(): never {
  throw new Error('there is no container wall here');
}

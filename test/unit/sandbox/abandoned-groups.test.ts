import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { findCgroups, trialPrefix } from '../../../src/sandbox/bubblewrap/find-cgroups.ts';
import { takeLease } from '../../../src/sandbox/bubblewrap/lease.ts';
import { reclaimAbandoned } from '../../../src/sandbox/bubblewrap/reclaim.ts';

const places = [...new Set(Object.values((await findCgroups()).parents))];
const writable = places.length > 0;
const made: string[] = [];

afterEach(() => {
  for (const folder of made.splice(0)) if (existsSync(folder)) rmdirSync(folder);
});

/** The groups of one trial, in every place there is. */
function makeGroups(name: string): string[] {
  const folders = places.map((place) => join(place, name));
  for (const folder of folders) mkdirSync(folder);
  made.push(...folders);
  return folders;
}

test.skipIf(!writable)(
  `the groups of a dead trial are removed, those of a living one and of anybody else stay${writable ? '' : ' (skipped: needs a writable cgroup)'}`,
  async () => {
    const workDir = mkdtempSync(join(tmpdir(), 'runyard-reclaim-'));
    const living = await takeLease(trialPrefix + randomUUID());
    try {
      const dead = makeGroups(trialPrefix + randomUUID());
      const kept = [...makeGroups(living?.name ?? ''), ...makeGroups(`runyard-other-${randomUUID()}`)];
      await reclaimAbandoned(workDir);
      expect(dead.filter(existsSync)).toEqual([]);
      expect(kept.filter(existsSync)).toEqual(kept);
    } finally {
      await living?.release();
      rmdirSync(workDir);
    }
  },
);

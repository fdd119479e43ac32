import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, utimesSync } from 'node:fs';
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

test('what was made aside by a runner that was killed meanwhile is removed; what is being made stays', async () => {
  const workDir = mkdtempSync(join(tmpdir(), 'runyard-reclaim-'));
  try {
    const aside = ['bin', 'shared'].map((folder) =>
      join(workDir, folder, `${folder === 'bin' ? '' : 'hash.'}${randomUUID()}`),
    );
    const kept = [
      join(workDir, 'bin/origins'),
      join(workDir, 'bin', 'a'.repeat(64)),
      join(workDir, 'bin', randomUUID()),
    ];
    for (const path of [...aside, ...kept]) mkdirSync(join(path, 'inside'), { recursive: true });
    const longAgo = new Date(Date.now() - 2 * 3_600_000);
    for (const path of [...aside, ...kept.slice(0, 2)]) utimesSync(path, longAgo, longAgo);
    await reclaimAbandoned(workDir);
    expect(aside.filter(existsSync)).toEqual([]);
    expect(kept.filter(existsSync)).toEqual(kept);
  } finally {
    rmSync(workDir, { recursive: true });
  }
});

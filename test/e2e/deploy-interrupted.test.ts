import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cloud, type CloudState, openCloud, project, writePackage } from './deploy-cloud.ts';

/** Everything that a deployment can make. */
const flags = ['--service', '--vpc', 'inside/runners'];

const files = { root: '', remove: () => {} };
/** What a deployment that nobody interrupts comes to; `changing` tells of each request whether it is more than a look. */
const whole: { state?: CloudState; changing: boolean[]; made: string[] } = { changing: [], made: [] };

beforeAll(async () => {
  Object.assign(files, writePackage());
  const cloud = await openCloud({}, files.root);
  expect(await cloud.run(flags)).toMatchObject({ exitCode: 0 });
  Object.assign(whole, {
    state: cloud.state(),
    changing: cloud.requests.map(isChange),
    made: [...cloud.admin.made].sort(),
  });
  await cloud.close();
});
afterAll(() => files.remove());

describe.each([
  ['before the request was carried out', false],
  ['after it, with the answer lost', true],
])('interrupted at every request, %s, and run again', (_, carriedOut) => {
  test('it ends in the same state, and nothing is made twice', { timeout: 600_000 }, async () => {
    expect(whole.changing.length).toBeGreaterThan(60);
    expect(whole.changing.filter((changes) => changes).length).toBeGreaterThanOrEqual(30);
    for (const [stop, changes] of whole.changing.entries()) {
      // What only reads comes to the same, whether it was carried out or not.
      if (changes || carriedOut) await interruptAt(stop, carriedOut);
    }
  });
});

async function interruptAt(stop: number, carriedOut: boolean): Promise<void> {
  const cloud = await openCloud({}, files.root);
  try {
    const interruption = new AbortController();
    cloud.disturb = (_, at) => {
      if (at !== stop) return undefined;
      interruption.abort();
      return { kind: 'cut', carriedOut };
    };
    const first = await cloud.run(flags, { signal: interruption.signal });
    expect(first, `request ${stop}`).toMatchObject({ exitCode: 1, text: expect.stringContaining('Interrupted.') });
    expect(first.text).toMatch(/Left: .+\n.*Run "runyard deploy" again/);
    const second = await cloud.run(flags);
    expect(second.exitCode, `request ${stop}: ${second.text}`).toBe(0);
    expect(cloud.state(), `request ${stop}`).toEqual(whole.state);
    expect([...cloud.admin.made].sort(), `request ${stop}`).toEqual(whole.made);
    expect(await versionsOf(cloud, 'runyard-api-keys'), `request ${stop}`).toBe(1);
  } finally {
    await cloud.close();
  }
}

function isChange({ method, url }: Cloud['requests'][number]): boolean {
  return method !== 'GET' && !url.endsWith(':getIamPolicy');
}

async function versionsOf({ secrets }: Cloud, secret: string): Promise<number> {
  const answer = await fetch(`${secrets.url}/v1/projects/${project}/secrets/${secret}/versions`);
  return ((await answer.json()) as { totalSize: number }).totalSize;
}

import { z } from 'zod';
import type { Call, GoogleRest } from '../../deploy/google-rest.ts';
import type { Resource } from '../../deploy/grants.ts';
import { GoogleRefusal } from '../../deploy/refusal.ts';

export interface Held {
  readonly lacking: readonly string[];
  /** Google does not say whether these are held on this thing. */
  readonly untold: readonly string[];
}

const answer = z.looseObject({ permissions: z.array(z.string()).default([]) });

/** Which of these permissions these very credentials lack on a thing; undefined where the thing is not there. */
export async function testPermissions(
  rest: GoogleRest,
  on: Resource,
  permissions: readonly string[],
): Promise<Held | undefined> {
  const callOf = calls[on.kind];
  const ask = async (some: readonly string[]): Promise<Held | undefined> => {
    try {
      const found = await rest.find(callOf(on.name, some), answer);
      return found && { lacking: some.filter((each) => !found.permissions.includes(each)), untold: [] };
    } catch (error) {
      if (!(error instanceof GoogleRefusal) || error.status !== 400) throw error;
      // One permission that does not belong to this kind of thing spoils the whole question.
      if (some.length === 1) return { lacking: [], untold: some };
      return together(await Promise.all(some.map((each) => ask([each]))));
    }
  };
  return ask(permissions);
}

function together(all: readonly (Held | undefined)[]): Held | undefined {
  const there = all.filter((each) => each !== undefined);
  if (there.length === 0) return undefined;
  return {
    lacking: there.flatMap(({ lacking }) => lacking),
    untold: there.flatMap(({ untold }) => untold),
  };
}

const posted =
  (api: Call['api'], version: string) =>
  (name: string, permissions: readonly string[]): Call => ({
    api,
    method: 'POST',
    path: `/${version}/${name}:testIamPermissions`,
    body: { permissions },
  });

const calls: Readonly<Record<Resource['kind'], (name: string, permissions: readonly string[]) => Call>> = {
  bucket: (name, permissions) => ({
    api: 'storage',
    path: `/storage/v1/b/${name}/iam/testPermissions`,
    query: { permissions },
  }),
  key: posted('kms', 'v1'),
  secret: posted('secretManager', 'v1'),
  job: posted('run', 'v2'),
  repository: posted('artifactRegistry', 'v1'),
  project: posted('resourceManager', 'v3'),
};

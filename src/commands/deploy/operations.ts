import { z } from 'zod';
import type { ApiName, GoogleRest } from './google-rest.ts';
import { googleApis } from './google-rest.ts';
import { refusalOf, refusalOfOutcome } from './refusal.ts';

/** What Google answers where something takes its time. */
export const operation = z.looseObject({
  name: z.string(),
  done: z.boolean().optional(),
  error: z.looseObject({ code: z.number().default(2), message: z.string().default('') }).optional(),
  metadata: z.unknown().optional(),
});
export type Operation = z.infer<typeof operation>;

export interface Waiting {
  readonly api: ApiName;
  /** Of the API, such as `v1`: where operations are looked at. */
  readonly version: string;
  readonly withinMs: number;
  /** Such as `making the job runyard-small`. */
  readonly what: string;
  readonly project: string;
}

/** Waits until the operation is done. Throws a GoogleRefusal where it ended badly or not in time. */
export async function finished(rest: GoogleRest, first: Operation, waiting: Waiting): Promise<void> {
  const { api, version, withinMs, what, project } = waiting;
  const look = async () => {
    const { name, done } = first;
    const now = done ? first : await rest.send({ api, path: `/${version}/${name}` }, operation);
    return now.done ? now : undefined;
  };
  const last = await rest.poll(look, withinMs);
  if (last === undefined) {
    throw refusalOfOutcome(
      `${googleApis[api].title} has not finished ${what} in ${Math.round(withinMs / 60_000)} minutes.`,
      'It may still come to its end: run the same command again.',
    );
  }
  if (last.error === undefined) return;
  const { code, message } = last.error;
  const asked = { project, api: googleApis[api], request: what };
  throw refusalOf(httpOfGrpc[code] ?? 500, { error: { message, details: last.error.details } }, asked);
}

const httpOfGrpc: Readonly<Record<number, number>> = {
  3: 400,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 400,
  10: 409,
  16: 401,
};

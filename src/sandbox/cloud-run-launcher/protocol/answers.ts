import { z } from 'zod';
import type { Answer } from './words.ts';

/** What comes out of a wall is outside data, whoever in there has written it. */
export const answerOf: z.ZodType<Answer> = z.discriminatedUnion('answer', [
  z.object({
    answer: z.literal('ready'),
    uid: z.int().min(0),
    capabilities: z.string().regex(/^[0-9a-f]{1,32}$/),
    interfaces: z.array(z.string().max(64)).max(64),
    reachesMetadata: z.boolean(),
    canWrite: z.boolean(),
  }),
  z.object({ answer: z.literal('done') }),
  z.object({ answer: z.literal('failed'), reason: z.string().max(500) }),
  z.object({ answer: z.literal('ended'), exitCode: z.int().min(0).max(255), began: z.boolean() }),
  z.object({ answer: z.literal('finished') }),
]);

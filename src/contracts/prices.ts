import { z } from 'zod';

/** USD for a million tokens. */
const rates = {
  input: z.number().min(0),
  output: z.number().min(0),
  cacheWrite5m: z.number().min(0),
  cacheWrite1h: z.number().min(0),
  cacheRead: z.number().min(0),
};

/** What models cost, on which day, according to whom. Keys of `models` are names without date and vendor. */
export const prices = z.strictObject({
  date: z.iso.date(),
  source: z.string(),
  models: z.record(
    z.string(),
    z.strictObject({
      ...rates,
      /** The rates of a request whose whole prompt, cached parts included, is longer than this. */
      longPrompt: z.strictObject({ abovePromptTokens: z.int(), ...rates }).optional(),
    }),
  ),
});
export type Prices = z.infer<typeof prices>;

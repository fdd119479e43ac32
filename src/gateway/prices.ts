import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { RunyardError } from '../contracts/errors.ts';
import dated from './prices.json' with { type: 'json' };

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

/** The tokens of one call of a model. */
export interface CallTokens {
  readonly input: number;
  readonly output: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly cacheRead: number;
}

/** The prices in a file of `prices.json`'s shape, or those of the package. Throws `invalid_request` for another shape. */
export async function readPrices(file?: string): Promise<Prices> {
  if (file === undefined) return prices.parse(dated);
  try {
    return prices.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    const hint = 'RUNYARD_PRICES names a JSON file of the same shape as prices.json in the package.';
    throw new RunyardError('invalid_request', `The prices in ${file} cannot be read.`, { hint, cause: error });
  }
}

/** Whether a request for this model can be priced. The short names of the `claude` program are models of today. */
export function knowsPrice({ models }: Prices, model: string): boolean {
  return Object.hasOwn(models, plainName(model)) || shortNames.test(model);
}

/** The program itself makes full names of them; the gateway judges those. */
const shortNames = /^(default|best|opus|sonnet|haiku|opusplan|fable|mythos)(\[1m\])?$/;

/** USD; null where the model has no known price. */
export function costUsd({ models }: Prices, model: string, tokens: CallTokens): number | null {
  const name = plainName(model);
  const price = Object.hasOwn(models, name) ? models[name] : undefined;
  if (price === undefined) return null;
  const promptTokens = tokens.input + tokens.cacheWrite5m + tokens.cacheWrite1h + tokens.cacheRead;
  const long = price.longPrompt !== undefined && promptTokens > price.longPrompt.abovePromptTokens;
  const rate = long ? price.longPrompt! : price;
  const micros =
    tokens.input * rate.input +
    tokens.output * rate.output +
    tokens.cacheWrite5m * rate.cacheWrite5m +
    tokens.cacheWrite1h * rate.cacheWrite1h +
    tokens.cacheRead * rate.cacheRead;
  return micros / 1e6;
}

/** `us.anthropic.claude-opus-4-1-20250805-v1:0`, `claude-opus-4-1@20250805` and `claude-opus-4-1[1m]` are one model. */
function plainName(model: string): string {
  return model
    .toLowerCase()
    .replace(/^.*(?=claude-)/, '')
    .replace(/\[1m\]$/, '')
    .replace(/-v\d+(:\d+)?$/, '')
    .replace(/[-@]\d{8}$/, '')
    .replace(/-latest$/, '')
    .replace(/-0$/, '');
}

import { type Prices, prices } from '../contracts/prices.ts';
import dated from './prices.json' with { type: 'json' };

/** The tokens of one call of a model. */
export interface CallTokens {
  readonly input: number;
  readonly output: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly cacheRead: number;
}

/** Those of the package, where the operator gave none. */
export function packagePrices(): Prices {
  return prices.parse(dated);
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

import type { Prices } from '../contracts/prices.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { MessageReader } from './message-reader.ts';
import { type CallTokens, costUsd } from './prices.ts';

/**
 * What one run may spend. Every call reserves the most that it can cost before it is sent, so that calls at the same
 * time cannot spend one dollar twice; what it did not cost is given back on the endpoint's own final count only.
 */
export interface Budget {
  /**
   * The call's share, with the longest answer that it pays for; waits while other calls hold what is left. Where
   * nothing is left, the reason. Rejects when the signal is aborted.
   */
  reserve(call: PricedCall, signal: AbortSignal): Promise<Share | { readonly refused: string }>;
  /** Why calls are refused, or answers were cut short; undefined while the budget lasts. */
  reached(): string | undefined;
}

export interface PricedCall {
  readonly model: string;
  /** Of the request's body, as characters. */
  readonly text: string;
  readonly maxTokens: number;
}

export interface Share {
  /** At most what was asked for. */
  readonly maxTokens: number;
  /** The call is over, and this reader has seen all that there is of its answer. */
  settle(reader: MessageReader): void;
  /** The endpoint did not take the request. */
  giveBack(): void;
}

export function createBudget(maxUsd: number, prices: Prices): Budget {
  const open = new Set<Holding>();
  const waiting: (() => void)[] = [];
  let spentUsd = 0;
  let reached: string | undefined;

  const heldUsd = () => [...open].reduce((sum, { usd }) => sum + usd, 0);

  const close = (held: Holding, costs: number) => {
    open.delete(held);
    spentUsd += costs;
    for (const wake of waiting.splice(0)) wake();
  };

  /** Undefined where the model has no price. */
  const shareOf = (call: PricedCall, leftUsd: number): Holding | undefined => {
    const input = promptUsd(prices, call);
    const token = costUsd(prices, call.model, { ...noTokens, output: 1 });
    if (input === null || token === null) return undefined;
    const affordable = token === 0 ? call.maxTokens : Math.floor((leftUsd - input) / token);
    const maxTokens = Math.min(call.maxTokens, affordable);
    return { usd: input + maxTokens * token, maxTokens };
  };

  const grant = (call: PricedCall, held: Holding): Share => {
    const { usd, maxTokens } = held;
    open.add(held);
    return {
      maxTokens,
      giveBack: () => close(held, 0),
      settle(reader) {
        const costs = callsUsd(prices, reader, call.model);
        close(held, reader.counted && costs !== null ? costs : Math.max(usd, costs ?? 0));
        if (reader.cutShort && maxTokens < call.maxTokens) reached = told(maxUsd, spentUsd);
      },
    };
  };

  return {
    reached: () => reached,
    async reserve(call, signal) {
      for (;;) {
        signal.throwIfAborted();
        const share = shareOf(call, maxUsd - spentUsd - heldUsd());
        if (share === undefined) {
          reached = `The model ${call.model} has no known price, so no budget can hold for it.`;
          return { refused: reached };
        }
        if (share.maxTokens >= Math.min(call.maxTokens, shortestAnswerTokens)) return grant(call, share);
        if (open.size === 0) {
          reached = told(maxUsd, spentUsd);
          return { refused: reached };
        }
        await untilAborted(new Promise<void>((resolve) => waiting.push(resolve)), signal);
      }
    },
  };
}

// --- Internal helpers ---

/** The most that a call under way can cost, and the longest answer that this pays for. */
interface Holding {
  readonly usd: number;
  readonly maxTokens: number;
}

/** An answer that cannot be longer than this is not worth its prompt. */
const shortestAnswerTokens = 1024;

const noTokens: CallTokens = { input: 0, output: 0, cacheWrite5m: 0, cacheWrite1h: 0, cacheRead: 0 };

/** No text takes more tokens for its characters than this in the languages and programs that prompts are made of. */
const charsPerTokenMin = 2.5;
/** The most that one picture or page counts, however many characters it is spelled with. */
const tokensPerPicture = 5000;

/** The most that a prompt can cost: all of it new and kept in the dearest cache that it asks for. */
function promptUsd(prices: Prices, { model, text }: PricedCall): number | null {
  const pictures = text.match(base64)?.length ?? 0;
  const chars = pictures === 0 ? text.length : text.replace(base64, '').length;
  const tokens = Math.ceil(chars / charsPerTokenMin) + pictures * tokensPerPicture;
  const kind = text.includes('"ttl":"1h"') ? 'cacheWrite1h' : 'cacheWrite5m';
  return costUsd(prices, model, { ...noTokens, [kind]: tokens });
}

const base64 = /"data":"[A-Za-z0-9+/=]{1000,}"/g;

function callsUsd(prices: Prices, reader: MessageReader, askedModel: string): number | null {
  const model = reader.model ?? askedModel;
  return reader.calls.reduce<number | null>((sum, tokens) => {
    const usd = costUsd(prices, model, tokens);
    return sum === null || usd === null ? null : sum + usd;
  }, 0);
}

function told(maxUsd: number, spentUsd: number): string {
  return `The run's budget of ${dollars(maxUsd)} is used up: ${dollars(spentUsd)} were spent.`;
}

function dollars(usd: number): string {
  return `$${Math.round(usd * 1e4) / 1e4}`;
}

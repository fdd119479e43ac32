import type { Spent } from '../contracts/gateway.ts';
import type { Prices } from '../contracts/prices.ts';
import type { Usage } from '../contracts/task.ts';
import type { MessageReader } from './message-reader.ts';
import { costUsd } from './prices.ts';

/** Counts one run's answers: what they cost, what they said. */
export interface Meter {
  /**
   * Counts with this reader from now on; `end` once nothing more will come of it. `drop` in place of it where the
   * endpoint did not take the request, which costs nothing.
   */
  begin(reader: MessageReader, askedModel: string): { end(): void; drop(): void };
  spent(): Spent;
  delivered(): readonly string[];
}

/** What is remembered of the answers; the oldest go first. A run is judged by its last one. */
const deliveredCharsMax = 8 * 1024 * 1024;

export function createMeter(prices: Prices): Meter {
  const open = new Map<MessageReader, string>();
  const delivered: string[] = [];
  let deliveredChars = 0;
  let closed: Spent = { usage: { inputTokens: 0, outputTokens: 0, ...noCache }, costUsd: 0 };

  const deliver = (text: string) => {
    delivered.push(text);
    deliveredChars += text.length;
    while (deliveredChars > deliveredCharsMax && delivered.length > 1) deliveredChars -= delivered.shift()!.length;
  };

  return {
    begin(reader, askedModel) {
      open.set(reader, askedModel);
      return {
        end() {
          if (!open.delete(reader)) return;
          closed = add(closed, spentBy(prices, reader, askedModel));
          if (!reader.whole) return;
          // A message may be told as its last block or as all of them, and one without any as nothing.
          for (const answer of reader.answers) deliver(answer);
          if (reader.answers.length !== 1) deliver(reader.answers.join(''));
        },
        drop: () => void open.delete(reader),
      };
    },
    spent: () => rounded([...open].reduce((sum, [reader, model]) => add(sum, spentBy(prices, reader, model)), closed)),
    delivered: () => delivered,
  };
}

// --- Internal helpers ---

const noCache = { cacheCreationInputTokens: 0, cacheReadInputTokens: 0 };

function spentBy(prices: Prices, reader: MessageReader, askedModel: string): Spent {
  const model = reader.model ?? askedModel;
  return reader.calls
    .map((tokens): Spent => {
      const usage: Usage = {
        inputTokens: tokens.input,
        outputTokens: tokens.output,
        cacheCreationInputTokens: tokens.cacheWrite5m + tokens.cacheWrite1h,
        cacheReadInputTokens: tokens.cacheRead,
      };
      const nothing = Object.values(usage).every((count) => count === 0);
      return { usage, costUsd: nothing ? 0 : costUsd(prices, model, tokens) };
    })
    .reduce(add);
}

function add(a: Spent, b: Spent): Spent {
  return {
    usage: {
      inputTokens: a.usage.inputTokens + b.usage.inputTokens,
      outputTokens: a.usage.outputTokens + b.usage.outputTokens,
      cacheCreationInputTokens: a.usage.cacheCreationInputTokens + b.usage.cacheCreationInputTokens,
      cacheReadInputTokens: a.usage.cacheReadInputTokens + b.usage.cacheReadInputTokens,
    },
    costUsd: a.costUsd === null || b.costUsd === null ? null : a.costUsd + b.costUsd,
  };
}

/** Without the tail that adding fractions leaves: a token costs no less than a tenth of a millionth. */
function rounded({ usage, costUsd }: Spent): Spent {
  return { usage, costUsd: costUsd === null ? null : Math.round(costUsd * 1e9) / 1e9 };
}

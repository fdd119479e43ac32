import type { Gateway, GatewayOptions } from '../contracts/gateway.ts';
import { createBudget } from './budget.ts';
import { openEndpoint } from './endpoint.ts';
import { createEndpointFailures } from './endpoint-failures.ts';
import { createListener } from './listener.ts';
import { createMeter } from './meter.ts';
import { createModelApi } from './model-api.ts';
import { type Prices, readPrices } from './prices.ts';

export { readPrices };

/**
 * Opens the only door of one run: its own placeholder key, its own meter, its own connections upstream. Nothing
 * listens until `serve` is given a wall's listener.
 */
export function openGateway(options: GatewayOptions & { readonly prices: Prices }): Gateway {
  const onDenied = toldOnce(options.onDenied);
  const upstream = openEndpoint(options.endpoint);
  const meter = createMeter(options.prices);
  const failures = createEndpointFailures(options.endpoint.credential.value);
  const { maxBudgetUsd } = options;
  const budget = maxBudgetUsd === undefined ? undefined : createBudget(maxBudgetUsd, options.prices);
  const call = createModelApi({ ...options, onDenied, upstream, meter, budget, failures });
  const listener = createListener({ call, onDenied });

  return {
    placeholderKey: listener.placeholderKey,
    serve: listener.serve,
    spent: meter.spent,
    delivered: meter.delivered,
    lastFailure: failures.last,
    budgetReached: () => budget?.reached(),
    async close() {
      await listener.close();
      upstream.close();
    },
  };
}

// --- Internal helpers ---

/** A program that asks a thousand times is told of once: denials become events, and events are the run's to read. */
function toldOnce(onDenied: GatewayOptions['onDenied']): GatewayOptions['onDenied'] {
  const told = new Set<string>();
  return ({ what, why }) => {
    const denial = { what: what.slice(0, wordsMax), why: why.slice(0, wordsMax) };
    const name = `${denial.what}\n${denial.why}`;
    if (told.has(name) || told.size >= denialsMax) return;
    told.add(name);
    onDenied(denial);
  };
}

const denialsMax = 100;
/** Names in a request are the program's own, and as long as it likes. */
const wordsMax = 300;

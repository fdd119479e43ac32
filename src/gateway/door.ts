import type { Egress } from '../contracts/egress.ts';
import type { Gateway, GatewayOptions } from '../contracts/gateway.ts';
import type { Prices } from '../contracts/prices.ts';
import type { ModelEndpoint } from '../contracts/task.ts';
import { createBudget } from './budget.ts';
import { openEndpoint } from './endpoint.ts';
import { createEndpointFailures } from './endpoint-failures.ts';
import { createListener, isSameKey, newPlaceholderKey } from './listener.ts';
import { createMcpServers } from './mcp-servers.ts';
import { createMeter, type Meter } from './meter.ts';
import { createModelApi } from './model-api.ts';
import { packagePrices } from './prices.ts';
import { createTunnels } from './tunnels.ts';

export interface DoorOptions extends GatewayOptions {
  readonly egress: Egress;
}

/**
 * Opens the only door of one run: its own placeholder key, its own meter, its own connections upstream. Nothing
 * listens until `serve` is given a wall's listener.
 */
export function openGateway(options: DoorOptions): Gateway {
  const onDenied = toldOnce(options.onDenied);
  const placeholderKey = newPlaceholderKey();
  const prices = options.prices ?? packagePrices();
  const meter = createMeter(prices);
  const model =
    options.endpoint === undefined ? undefined : openModel(options.endpoint, { ...options, prices, onDenied, meter });
  const { hosts = [], mcpServers = [], egress } = options;
  const isKey = (key: string) => isSameKey(key, placeholderKey);
  const tunnel = hosts.length === 0 ? undefined : createTunnels({ hosts, egress, isKey, onDenied });
  const mcp = mcpServers.length === 0 ? undefined : createMcpServers({ servers: mcpServers, egress, onDenied });
  const listener = createListener({ call: model?.call, mcp, tunnel, placeholderKey, onDenied });

  return {
    placeholderKey,
    serve: listener.serve,
    spent: meter.spent,
    delivered: meter.delivered,
    lastFailure: () => model?.failures.last(),
    budgetReached: () => model?.budget?.reached(),
    async close() {
      await listener.close();
      model?.upstream.close();
    },
  };
}

// --- Internal helpers ---

function openModel(endpoint: ModelEndpoint, options: DoorOptions & { readonly meter: Meter; readonly prices: Prices }) {
  const { maxBudgetUsd, prices } = options;
  const upstream = openEndpoint(endpoint);
  const failures = createEndpointFailures(endpoint.credential.value);
  const budget = maxBudgetUsd === undefined ? undefined : createBudget(maxBudgetUsd, prices);
  return { upstream, failures, budget, call: createModelApi({ ...options, endpoint, upstream, budget, failures }) };
}

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

import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { Egress } from '../contracts/egress.ts';
import type { IssueTracker } from '../contracts/github.ts';
import type { Inputs } from '../contracts/inputs.ts';
import type { RepositoryPlace } from '../contracts/repository.ts';
import type { Secrets } from '../contracts/secrets.ts';
import type { Store } from '../contracts/store.ts';
import type { WebhookSender } from '../contracts/webhook.ts';
import type { Logger } from '../lib/logger.ts';
import { once } from '../lib/once.ts';
import { createSecrets } from '../secrets/index.ts';
import type { CallerPolicy, ToolServices } from '../tools/index.ts';

/** What a server has and most calls do not need: each is loaded by the first call that does. */

/** Loaded by the first task that brings something along. */
export function inputsOf({ home, work, inputRoots }: Config, store: Store): Inputs {
  const load = once(async () => {
    const [{ createInputs }, { createEgress }] = await Promise.all([
      import('../inputs/index.ts'),
      import('../gateway/egress.ts'),
    ]);
    const egress = createEgress({ privateTargets: [] });
    return createInputs({ store, egress, spoolDir: join(home, 'spool'), roots: inputRoots, ownFolders: [home, work] });
  });
  return {
    resolve: async (from, owner, signal) => (await load()).resolve(from, owner, signal),
    put: async (archive, owner) => (await load()).put(archive, owner),
  };
}

/** Prices are loaded by the first call that has a budget. */
export function policyOf({ allowedDomains, maxBudgetUsd, prices }: Config): CallerPolicy {
  const load = once(async () => {
    const { knowsPrice, packagePrices } = await import('../gateway/prices.ts');
    const known = prices ?? packagePrices();
    return (model: string) => knowsPrice(known, model);
  });
  return { allowedDomains, maxBudgetUsd, hasPrice: async (model) => (await load())(model) };
}

/** A credential that the caller brought goes before the server's, to where the operator says that models are. */
export function modelEndpointOf({ model, modelBaseUrl: baseUrl }: Config): ToolServices['modelEndpoint'] {
  return ({ credentials: { anthropic_api_key: apiKey, anthropic_oauth_token: oauthToken } = {} }) => {
    if (apiKey !== undefined) return { baseUrl, credential: { kind: 'api_key', value: apiKey } };
    if (oauthToken !== undefined) return { baseUrl, credential: { kind: 'oauth_token', value: oauthToken } };
    return model;
  };
}

/** How the ends of tasks are told; what sends is loaded by the first one. */
export function callbacksOf({ callbackAllow }: Config) {
  const load = once(async () => (await import('../gateway/egress.ts')).createEgress({ privateTargets: callbackAllow }));
  const egress: Egress = {
    check: async (target, signal) => (await load()).check(target, signal),
    dial: async (target, signal) => (await load()).dial(target, signal),
  };
  const sender = once(async () => (await import('../webhook/standard-webhooks.ts')).createWebhookSender({ egress }));
  const webhooks: WebhookSender = { send: async (message, signal) => (await sender()).send(message, signal) };
  return { egress, webhooks, plainCallbacks: callbackAllow };
}

/** Values stay where they are until a task needs one. */
export function secretsOf({ cloud }: Config): Secrets {
  const secretManager = cloud && { project: cloud.project, endpoint: cloud.endpoints.secretManager };
  return createSecrets({ env: process.env, secretManager });
}

/** One for the whole server, because it keeps the pace that GitHub asks for; loaded by the first issue. */
export function issueTracker({ github, githubRepos: repos }: Config, log: Logger): IssueTracker {
  const load = once(async () => {
    const { createIssueTracker } = await import('../github/issue-tracker.ts');
    return createIssueTracker({ ...github, repos, log });
  });
  return { createIssue: async (...call) => (await load()).createIssue(...call) };
}

/** Where the GitHub whose API this is keeps its repositories: `api.github.com` those of `github.com`, `HOST/api/v3` its own. */
export function gitPlaceOf(apiUrl: string): RepositoryPlace {
  const { protocol, hostname, port, pathname } = new URL(apiUrl);
  const [transport, standardPort] = protocol === 'http:' ? (['http', 80] as const) : (['https', 443] as const);
  const host = pathname === '/' ? hostname.replace(/^api\./, '') : hostname;
  return { transport, host, port: port === '' ? standardPort : Number(port) };
}

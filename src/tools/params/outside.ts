import { z } from 'zod';
import { RunyardError } from '../../contracts/errors.ts';
import { coversHost, parseHostRule } from '../../contracts/hosts.ts';
import type { CallerPolicy } from '../services.ts';

/** Fields that let something out of the sandbox, or money with it, and what the operator allows of that. */

const domainsMax = 50;

export const allowedDomainsField = z
  .array(
    z
      .string()
      .max(260)
      .refine(
        (text) => parseHostRule(text) !== undefined,
        'is no host such as example.org, *.example.org or example.org:8443',
      ),
  )
  .max(domainsMax, `must hold at most ${domainsMax} hosts`)
  .optional()
  .describe('Hosts to reach over https, of those that the operator allows; none otherwise');

export const maxBudgetField = z
  .number()
  .positive()
  .max(100_000)
  .optional()
  .describe('The most that each run may spend on models; it ends as budget_exceeded');

export const callbackField = z
  .string()
  .max(2000)
  .refine(isHttpAddress, 'is no https address without a user name')
  .optional()
  .describe('Gets the result as a signed webhook');

function isHttpAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

const metadataBytesMax = 16 * 1024;

export const metadataField = z
  .record(z.string(), z.unknown())
  .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= metadataBytesMax, 'is larger than 16 KiB')
  .optional()
  .describe('Given back in list_tasks and in webhooks');

/** Throws `egress_denied` where a host is none of the operator's. */
export function refuseDomains(asked: readonly string[] = [], { allowedDomains }: CallerPolicy): void {
  for (const text of asked) {
    if (coversHost(allowedDomains, parseHostRule(text)!)) continue;
    throw new RunyardError(
      'egress_denied',
      `allowed_domains: ${text} is not among the hosts that the operator allows.`,
      {
        hint: 'The operator lists hosts in RUNYARD_ALLOWED_DOMAINS.',
      },
    );
  }
}

/** The budget of a run: the caller's, or the operator's cap. Throws `invalid_request` where none can hold. */
export async function budgetOf(
  asked: number | undefined,
  models: readonly (string | undefined)[],
  { maxBudgetUsd, hasPrice }: CallerPolicy,
): Promise<number | undefined> {
  if (asked !== undefined && maxBudgetUsd !== undefined && asked > maxBudgetUsd)
    throw new RunyardError('invalid_request', `max_budget_usd: must be at most ${maxBudgetUsd}, the operator's limit.`);
  const budget = asked ?? maxBudgetUsd;
  if (budget === undefined) return undefined;
  for (const model of models) {
    if (model === undefined || (await hasPrice(model))) continue;
    throw new RunyardError('invalid_request', `model: ${model} has no known price, so no budget can hold for it.`, {
      hint: 'Name the model in full, or ask the operator for its price in RUNYARD_PRICES.',
    });
  }
  return budget;
}

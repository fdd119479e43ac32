import { describe, expect, test } from 'vitest';
import { parseHostRule } from '../../../src/contracts/hosts.ts';
import {
  allowedDomainsField,
  budgetOf,
  callbackField,
  metadataField,
  refuseDomains,
} from '../../../src/tools/params/outside.ts';

const policy = {
  allowedDomains: ['example.org', '*.example.net'].map((text) => parseHostRule(text)!),
  maxBudgetUsd: 10,
  hasPrice: async (model: string) => model === 'known',
};

describe('allowed_domains', () => {
  test('is a part of what the operator allows', () => {
    expect(() => refuseDomains(['example.org', 'a.example.net', '*.b.example.net'], policy)).not.toThrow();
    expect(() => refuseDomains(undefined, policy)).not.toThrow();
    for (const host of ['example.com', '*.example.org', 'example.org:8443', 'localhost']) {
      expect(() => refuseDomains([host], policy)).toThrow(
        expect.objectContaining({
          code: 'egress_denied',
          message: expect.stringContaining(`allowed_domains: ${host}`),
        }),
      );
    }
  });

  test('names hosts, no addresses', () => {
    expect(allowedDomainsField.safeParse(['169.254.169.254']).success).toBe(false);
    expect(allowedDomainsField.safeParse(['https://example.org']).success).toBe(false);
    expect(allowedDomainsField.safeParse(['Example.org']).success).toBe(true);
  });
});

describe('max_budget_usd', () => {
  test('is the caller’s, else the operator’s, and never more than that', async () => {
    expect(await budgetOf(2, ['known'], policy)).toBe(2);
    expect(await budgetOf(undefined, [undefined], policy)).toBe(10);
    expect(await budgetOf(undefined, ['unknown'], { ...policy, maxBudgetUsd: undefined })).toBeUndefined();
    await expect(budgetOf(11, [], policy)).rejects.toThrow('max_budget_usd: must be at most 10');
  });

  test('is refused on a model without a price', async () => {
    await expect(budgetOf(1, ['known', 'unknown'], policy)).rejects.toMatchObject({
      code: 'invalid_request',
      message: 'model: unknown has no known price, so no budget can hold for it.',
    });
  });
});

test('callback_url is an http address without a user', () => {
  expect(callbackField.safeParse('https://hooks.example.org/a?b=c').success).toBe(true);
  for (const url of [
    'ftp://a.example',
    'https://u:p@a.example',
    'javascript:alert(1)',
    'hooks',
    `https://a/${'x'.repeat(2000)}`,
  ]) {
    expect(callbackField.safeParse(url).success).toBe(false);
  }
});

test('metadata is small', () => {
  expect(metadataField.safeParse({ ticket: 1, more: ['a', { b: null }] }).success).toBe(true);
  expect(metadataField.safeParse({ a: 'x'.repeat(17_000) }).success).toBe(false);
});

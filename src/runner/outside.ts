import { type HostRule, parseHostRule } from '../contracts/hosts.ts';
import { wallPaths } from '../contracts/sandbox.ts';

/** What a program is told of the hosts that it may reach. */

export function hostRules(allowedDomains: readonly string[] = []): HostRule[] {
  return allowedDomains.map((text) => {
    const rule = parseHostRule(text);
    if (rule === undefined) throw new Error(`${text} was no host, and was sealed all the same`);
    return rule;
  });
}

/** The door as a proxy for https, to every program that asks its environment for one. Nothing where no host is open. */
export function proxyVariables(hosts: readonly HostRule[], placeholderKey: string): Record<string, string> {
  if (hosts.length === 0) return {};
  const proxy = `http://runyard:${placeholderKey}@127.0.0.1:${wallPaths.doorPort}`;
  const direct = 'localhost,127.0.0.1';
  return { HTTPS_PROXY: proxy, https_proxy: proxy, NO_PROXY: direct, no_proxy: direct, NODE_USE_ENV_PROXY: '1' };
}

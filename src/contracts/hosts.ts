/** Hosts that may be reached, as an operator or a caller names them: `example.org`, `*.example.org`, `example.org:8443`. */
export interface HostRule {
  /** Lower case, without the `*.`. */
  readonly host: string;
  readonly port: number;
  /** Every name below `host`, and not `host` itself. */
  readonly below: boolean;
  /** What goes there need not be TLS for that name: ssh, and what the operator allows in plain. */
  readonly anyProtocol?: boolean;
}

const label = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const rulePattern = new RegExp(`^(\\*\\.)?(${label}(?:\\.${label})*)(?::(\\d{1,5}))?$`);
const standardPort = 443;

/** Undefined where the text names no host: an address, a scheme, a path. */
export function parseHostRule(text: string): HostRule | undefined {
  const [, star, host, digits] = rulePattern.exec(text.toLowerCase()) ?? [];
  const port = digits === undefined ? standardPort : Number(digits);
  if (host === undefined || looksLikeAddress(host) || port < 1 || port > 65_535) return undefined;
  return { host, port, below: star !== undefined };
}

/** The rule as `parseHostRule` reads it. */
export function hostRuleText({ host, port, below }: HostRule): string {
  return `${below ? '*.' : ''}${host}${port === standardPort ? '' : `:${port}`}`;
}

/** A name whose last part is a number is read as an address by some resolvers: `127.1`, `0x7f.1`, `2130706433`. */
export function looksLikeAddress(host: string): boolean {
  return host.includes(':') || /(^|\.)(\d+|0x[0-9a-f]*)\.?$/i.test(host);
}

export function allowsHost(rules: readonly HostRule[], host: string, port: number): boolean {
  return rules.some((rule) => rule.port === port && (rule.below ? host.endsWith(`.${rule.host}`) : host === rule.host));
}

/** Whether everything that `asked` allows is allowed by `rules` as well. */
export function coversHost(rules: readonly HostRule[], asked: HostRule): boolean {
  if (!asked.below) return allowsHost(rules, asked.host, asked.port);
  return rules.some(
    (rule) =>
      rule.below && rule.port === asked.port && (asked.host === rule.host || asked.host.endsWith(`.${rule.host}`)),
  );
}

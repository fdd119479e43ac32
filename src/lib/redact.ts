/** Keeps credentials out of what is written for people: by the name a value stands under, and by its own look. */

const censored = '[redacted]';
const depthMax = 6;
const itemsMax = 100;

/** Compared without case, `-` and `_`, so that `x-api-key`, `apiKey` and `API_KEY` are one name. */
const secretName =
  /^(proxy|x)?(authorization|cookie|setcookie|password|passwd|passphrase|secret|credentials?|privatekey|sshkey)$|(apikey|token|secret|password|privatekey)$/;

/** Shapes of credentials that are unmistakable wherever they stand in a text. */
const secretLooks = [
  /\bsk-[A-Za-z0-9_-]{8,}/g,
  /\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{8,}/g,
  /\bya29\.[A-Za-z0-9_.-]{8,}/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /(?<=\b(?:bearer|basic)\s)[A-Za-z0-9._~+/=-]{8,}/gi,
  /(?<=:\/\/)[^\s/@]+(?=@)/g,
];

/** The text with everything that looks like a credential replaced. */
export function redactText(text: string): string {
  return secretLooks.reduce((rest, look) => rest.replace(look, censored), text);
}

/** A plain copy without credentials, errors and their causes included. Deep and long things are cut, cycles too. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= depthMax) return '[deep]';
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, itemsMax).map((item) => redact(item, depth + 1));
  return redactEntries(Object.entries(value), depth);
}

function redactEntries(entries: readonly (readonly [string, unknown])[], depth: number): Record<string, unknown> {
  return Object.fromEntries(
    entries
      .slice(0, itemsMax)
      .map(([name, value]) => [name, isSecret(name, value) ? censored : redact(value, depth + 1)]),
  );
}

/** Counts such as `tokens: 12` and flags such as `token: true` are no credentials. */
function isSecret(name: string, value: unknown): boolean {
  return (
    (typeof value === 'string' || typeof value === 'object') && secretName.test(name.toLowerCase().replace(/[-_]/g, ''))
  );
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  return {
    type: name,
    message: redactText(message),
    ...('code' in error ? { code: redact(error.code, depth + 1) } : {}),
    ...(stack === undefined ? {} : { stack: redactText(stack) }),
    ...(cause === undefined ? {} : { cause: redact(cause, depth + 1) }),
  };
}

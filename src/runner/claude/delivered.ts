/** Whether an answer is one of those that the gateway delivered: a text, or a value that was given as JSON. */
export function wasDelivered(answer: unknown, delivered: readonly string[]): boolean {
  if (typeof answer !== 'string') return isAmong(JSON.stringify(answer), delivered);
  const text = answer.trim();
  return delivered.some((one) => one.trim() === text) || isAmong(canonical(text), delivered);
}

function isAmong(json: string | undefined, delivered: readonly string[]): boolean {
  return json !== undefined && delivered.some((one) => canonical(one) === json);
}

/** JSON without its spelling; undefined for a text that is none. */
function canonical(text: string): string | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return undefined; // A text that only looks like JSON at its beginning.
  }
}

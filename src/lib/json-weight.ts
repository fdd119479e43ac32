/**
 * Whether a JSON text holds more values than `max`, told without parsing it: what a stranger sends as a hundred bytes
 * of brackets becomes kilobytes of objects. Takes time in proportion to the text, whatever it is.
 */
export function holdsMoreValues(json: string, max: number): boolean {
  let values = 1;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === quote) at = endOfString(json, at);
    else if ((code === comma || code === bracket || code === brace) && ++values > max) return true;
  }
  return false;
}

const [quote, backslash, comma, bracket, brace] = [0x22, 0x5c, 0x2c, 0x5b, 0x7b];

/** Where the string that begins here ends; the end of the text where it does not. */
function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end !== -1; end = json.indexOf('"', end + 1)) {
    let escapes = 0;
    while (json.charCodeAt(end - 1 - escapes) === backslash) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return json.length;
}

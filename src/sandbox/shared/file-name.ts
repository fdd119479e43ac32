/**
 * A file's name as text, the same for no two names: bytes that are no UTF-8 and control characters stand as `\xNN`,
 * and so does a backslash that would read like one of these.
 */
export function nameAsText(name: Buffer): string {
  if (ordinaryName.test(name.toString('latin1'))) return name.toString('latin1');
  const text: string[] = [];
  for (let at = 0; at < name.length; ) {
    const length = lengthOfCharacter(name, at);
    const bytes = name.subarray(at, at + Math.max(length, 1));
    text.push(length === 0 || isControl(bytes) || looksLikeEscape(name, at) ? escaped(bytes) : bytes.toString('utf8'));
    at += bytes.length;
  }
  return text.join('');
}

/** Printable ASCII without a backslash: nearly every name there is. */
const ordinaryName = /^[ -[\]-~]*$/;

/** Bytes of the well-formed UTF-8 character that begins here; 0 where none does. */
function lengthOfCharacter(name: Buffer, at: number): number {
  const length = [1, 2, 3, 4].find((size) => {
    const bytes = name.subarray(at, at + size);
    return bytes.length === size && isOneCharacter(bytes);
  });
  return length ?? 0;
}

function isOneCharacter(bytes: Buffer): boolean {
  const text = bytes.toString('utf8');
  return [...text].length === 1 && Buffer.from(text).equals(bytes);
}

function isControl(bytes: Buffer): boolean {
  return /^\p{Cc}$/u.test(bytes.toString('utf8'));
}

function looksLikeEscape(name: Buffer, at: number): boolean {
  return /^\\x[0-9a-f]{2}/.test(name.toString('latin1', at, at + 4));
}

function escaped(bytes: Buffer): string {
  return [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

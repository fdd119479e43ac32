import { Transform } from 'node:stream';

/** Shorter ones are found by chance, and to replace them would break what they are found in. */
const secretCharsMin = 8;
const replacement = '[redacted]';

/**
 * Hands every byte on but the secret, wherever it stands as it is, also where chunks divide it. Holds back only what may
 * be its beginning, so that events are not late. `secret` is ASCII.
 */
export function withoutSecret(secret: string): Transform {
  let held = '';
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (secret.length < secretCharsMin) return done(null, chunk);
      // One character a byte: nothing is decoded, and nothing can be broken by it.
      const text = (held + chunk.toString('latin1')).replaceAll(secret, replacement);
      const heldChars = charsOfBeginning(text, secret);
      held = text.slice(text.length - heldChars);
      done(null, Buffer.from(text.slice(0, text.length - heldChars), 'latin1'));
    },
    flush(done) {
      done(null, Buffer.from(held, 'latin1'));
    },
  });
}

// --- Internal helpers ---

/** How much of the text's end is the beginning of the secret. */
function charsOfBeginning(text: string, secret: string): number {
  for (let chars = Math.min(text.length, secret.length - 1); chars > 0; chars--) {
    if (text.endsWith(secret.slice(0, chars))) return chars;
  }
  return 0;
}

import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { RunyardError } from '../../src/contracts/errors.ts';
import type { Secrets } from '../../src/contracts/secrets.ts';

export interface SecretsHarness {
  readonly secrets: Secrets;
  /** A reference of its kind, whose value is now this; undefined takes it away. */
  set(name: string, value: string | undefined): Promise<string>;
}

export const never = new AbortController().signal;

/** What every source of secrets keeps to. */
export function secretsContract(name: string, open: () => Promise<SecretsHarness>): void {
  describe(`${name} keeps the contract of secrets`, () => {
    test.each([
      ['as it is', 'a value with spaces  and "quotes"', 'a value with spaces  and "quotes"'],
      ['without the newline at its end', 'value\n', 'value'],
      ['without several, of any system', 'value\r\n\r\n', 'value'],
      ['with those inside', '-----BEGIN-----\nline\n-----END-----\n', '-----BEGIN-----\nline\n-----END-----'],
      ['with blanks at its end', 'value \n', 'value '],
      ['beyond ASCII', '\ufeffZoë ✓', '\ufeffZoë ✓'],
    ])('a value comes %s', async (_, stored, read) => {
      const { secrets, set } = await open();
      expect(await secrets.read(await set('TOKEN', stored), never)).toBe(read);
    });

    test('a new value is read at once', async () => {
      const { secrets, set } = await open();
      const reference = await set('TOKEN', 'one');
      expect(await secrets.read(reference, never)).toBe('one');
      await set('TOKEN', 'two');
      expect(await secrets.read(reference, never)).toBe('two');
    });

    test('one that is gone, and one of nothing but newlines, is named with what to do', async () => {
      const { secrets, set } = await open();
      const gone = await set('TOKEN', undefined);
      const empty = await set('EMPTY', '\n\n');
      for (const reference of [gone, empty]) {
        const error = await unavailable(secrets.read(reference, never));
        expect(error.message).toContain(reference);
        expect(error.hint.length).toBeGreaterThan(20);
      }
    });

    test('what is no reference of its kind is refused without being repeated', async () => {
      const { secrets } = await open();
      for (const wrong of ['sk-ant-a-value', 'env:the value', 'env:../x', 'secret-manager:a/versions/1', 'vault:x']) {
        expect(inspect(await unavailable(secrets.read(wrong, never)))).not.toContain(wrong.slice(-8));
      }
    });
  });
}

/** What reading was refused with; fails where it was not. */
export async function unavailable(reading: Promise<string>): Promise<RunyardError> {
  const error = await reading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof RunyardError && error.code === 'secret_unavailable') return error;
  throw new Error(`not secret_unavailable: ${inspect(error)}`);
}

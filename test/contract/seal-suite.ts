import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Seal } from '../../src/contracts/seal.ts';

/** What every seal keeps to. `open` gives one with the same key each time, `openOther` one with another key. */
export function sealContract(name: string, open: () => Promise<Seal>, openOther: () => Promise<Seal>): void {
  describe(`${name} keeps the contract of a seal`, () => {
    test.each([0, 1, 100, 1024 * 1024])('%i bytes come back as they were, from another opening too', async (size) => {
      const plain = randomBytes(size);
      const sealed = await (await open()).seal(plain, 'task_1');
      expect((await (await open()).unseal(sealed, 'task_1')).equals(plain)).toBe(true);
    });

    test('nothing of the content shows, and no two seals are alike', async () => {
      const seal = await open();
      const secret = Buffer.from('sk-ant-a-very-private-key');
      const [one, two] = [await seal.seal(secret, 'task_1'), await seal.seal(secret, 'task_1')];
      expect(one.includes(secret)).toBe(false);
      expect(one.equals(two)).toBe(false);
    });

    test('prior A16a: another context, another key and every changed byte are refused', async () => {
      const seal = await open();
      const sealed = await seal.seal(Buffer.from('private'), 'task_1');
      await expect(seal.unseal(sealed, 'task_2')).rejects.toThrow(/task_2 cannot be opened/);
      await expect((await openOther()).unseal(sealed, 'task_1')).rejects.toThrow(/cannot be opened/);
      for (let at = 0; at < sealed.length; at++) {
        const changed = Buffer.from(sealed);
        changed[at] = changed[at]! ^ 1;
        await expect(seal.unseal(changed, 'task_1')).rejects.toThrow(/cannot be opened/);
      }
      for (const cut of [0, 3, 40, sealed.length - 1])
        await expect(seal.unseal(sealed.subarray(0, cut), 'task_1')).rejects.toThrow(/cannot be opened/);
    });
  });
}

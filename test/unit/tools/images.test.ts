import { expect, test } from 'vitest';
import { imageOf } from '../../../src/tools/images.ts';

test.each([
  ['89504e470d0a1a0a0000', 'image/png'],
  ['ffd8ffe000', 'image/jpeg'],
  ['474946383961', 'image/gif'],
  ['524946460a00000057454250', 'image/webp'],
  ['3c737667', undefined],
  ['', undefined],
])('%s is %s', (hex, mimeType) => {
  expect(imageOf(Buffer.from(hex, 'hex'))?.mimeType).toBe(mimeType);
});

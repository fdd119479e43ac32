import { expect, test } from 'vitest';
import { chooseFitting, createListing } from '../../../src/sandbox/shared/listing.ts';

test('what lies below output is kept first, whatever else is called for', () => {
  const listing = createListing();
  listing.push(Buffer.from('1 ./a\0' + '1 ./outputs/b\0' + '5 output/z\0' + '1 output/.x/commit\0' + '9 output/big\0'));
  const { chosen, skipped } = chooseFitting(listing.files, { maxFiles: 3, maxBytes: 8 });
  expect(chosen.map(({ path }) => path)).toEqual(['output/.x/commit', 'output/z', 'a']);
  expect(skipped).toBe(2);
});

import { expect, test } from 'vitest';
import { readPrices } from '../../../src/config/prices.ts';
import { SettingsError } from '../../../src/lib/settings.ts';

const said = '--prices (RUNYARD_PRICES)';
const read = (text?: string) => readPrices('/prices.json', said, { readFile: () => text });

const row = { input: 1, output: 2, cacheWrite5m: 3, cacheWrite1h: 4, cacheRead: 5 };
const table = { date: '2026-11-21', source: 'our contract', models: { 'a-model': row } };

test('no file is no prices, and a file is read whole', () => {
  expect(readPrices(undefined, said, { readFile: () => undefined })).toBeUndefined();
  expect(read(JSON.stringify(table))).toEqual(table);
});

test('a table that stands in the setting itself is no path', () => {
  expect(readPrices(JSON.stringify(table), said, { readFile: () => undefined })).toEqual(table);
  expect(() => readPrices('{"date"', said, { readFile: () => undefined })).toThrow(`${said}: it is not valid JSON`);
});

test.each([
  ['a file that is not there', undefined, /^--prices \(RUNYARD_PRICES\) names \/prices\.json, which is not there/],
  ['no JSON', '{', /is not valid JSON/],
  ['another shape', '[]', /is no table of prices .*: the whole is wrong/],
  [
    'a price below nothing',
    JSON.stringify({ ...table, models: { m: { ...row, input: -1 } } }),
    /models\.m\.input is wrong/,
  ],
])('%s stops the start with a sentence', (_, text, sentence) => {
  expect(() => read(text)).toThrow(SettingsError);
  expect(() => read(text)).toThrow(sentence);
});

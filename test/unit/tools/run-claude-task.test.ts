import { describe, expect, test } from 'vitest';
import { runClaudeTask } from '../../../src/tools/run-claude-task.ts';

const refusal = (fields: object) => () => runClaudeTask.check({ prompt: 'x', ...fields });

describe('files and inputs', () => {
  const inputs = [{ name: 'data', from: '/srv/data' }];

  test.for(['input', 'input/data', 'input/data/a.txt', './input//data'])('%s is in the way', (path) => {
    expect(refusal({ inputs, files: [{ path, content: '' }] })).toThrow('files[0].path: is where inputs lie');
  });

  test.for(['input/other', 'input/database', 'data', 'output/input'])('%s is not', (path) => {
    expect(refusal({ inputs, files: [{ path, content: '' }] })).not.toThrow();
  });

  test('without inputs no file is', () => {
    expect(refusal({ files: [{ path: 'input/data', content: '' }] })).not.toThrow();
  });
});

test('a secret stands in env too only where it does', () => {
  expect(refusal({ secrets: { constructor: 'env:A' } })).not.toThrow();
  expect(refusal({ secrets: { A: 'env:A' }, env: { A: '1' } })).toThrow('secrets.A: stands in env too');
});

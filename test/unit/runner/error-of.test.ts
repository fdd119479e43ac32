import { describe, expect, test } from 'vitest';
import { type Language, runError } from '../../../src/contracts/task.ts';
import { errorOf } from '../../../src/runner/code/error-of.ts';

const said: readonly [language: Language, stderr: string, type: string | undefined, message: string][] = [
  ['python', 'Traceback:\n  File "main.py", line LINE\nValueError: no\n', 'ValueError', 'no'],
  ['javascript', '/workspace/main.js:LINE\nthrow x\n\nTypeError: no\n', 'TypeError', 'no'],
  ['typescript', '/workspace/main.ts:LINE\nthrow x\n\nTypeError: no\n', 'TypeError', 'no'],
  ['bash', 'main.sh: line LINE: nope: command not found\n', undefined, 'nope: command not found'],
];

describe.each(said)('an error of %s', (language, stderr, type, message) => {
  const read = (line: string) => errorOf(language, 1, stderr.replaceAll('LINE', line));

  test('is told with its line', () => {
    expect(read('7')).toEqual({ code: 'command_failed', message, line: 7, ...(type === undefined ? {} : { type }) });
  });

  test.each(['99999999999999999999', '9'.repeat(400)])(
    'with a line that no file has (%.30s) is still one that can be stored',
    (line) => {
      expect(runError.parse(read(line))).toMatchObject({ message });
      expect(read(line)).not.toHaveProperty('line');
    },
  );
});

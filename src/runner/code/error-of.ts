import { cleanText } from '../../contracts/clean-text.ts';
import { limits } from '../../contracts/limits.ts';
import { mainFiles } from '../../contracts/main-files.ts';
import type { Language, RunError } from '../../contracts/task.ts';

/**
 * What a failed program said of its own error, read from the end of its stderr: the language's name of it, its
 * message and the line in the main file. A claim of the program, like everything it prints.
 */
export function errorOf(language: Language, exitCode: number, rawStderr: string): RunError {
  const stderr = cleanText(rawStderr);
  const found = readers[language](stderr);
  const code = found?.type === 'MemoryError' ? 'out_of_memory' : 'command_failed';
  const message =
    found?.message ?? (exitCode > 128 ? signalMessage(exitCode) : `The program ended with exit code ${exitCode}.`);
  return {
    code,
    message,
    ...(found?.type === undefined ? {} : { type: found.type }),
    ...(found?.line === undefined ? {} : { line: found.line }),
  };
}

interface Found {
  readonly type?: string;
  readonly message: string;
  readonly line?: number;
}

const readers: Record<Language, (stderr: string) => Found | undefined> = {
  python: readPython,
  javascript: (stderr) => readNode(stderr, mainFiles.javascript),
  typescript: (stderr) => readNode(stderr, mainFiles.typescript),
  bash: readBash,
};

/** The last unindented `Type: message` after the last traceback. */
function readPython(stderr: string): Found | undefined {
  const lines = stderr.trimEnd().split('\n');
  const at = lines.findLastIndex((line) =>
    /^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning|Group)?(: |$)/.test(line),
  );
  if (at === -1) return undefined;
  const frame = lines.slice(0, at).findLast((line) => line.includes(`${mainFiles.python}", line `));
  if (frame === undefined) return undefined;
  const [, type = '', message = ''] = /^([\w.]+)(?:: (.*))?$/.exec(lines[at]!) ?? [];
  return withLine(
    { type: type.slice(type.lastIndexOf('.') + 1), message: message || type },
    / line (\d+)/.exec(frame)?.[1],
  );
}

/** Node prints `path:line`, the source, then `Type: message` and the stack. */
function readNode(stderr: string, mainFile: string): Found | undefined {
  const lines = stderr.split('\n');
  const at = lines.findLastIndex((line) => /^(?:Uncaught )?[A-Z][\w$]*(?: \[\w+\])?: |^\[?[A-Z]\w*Error\b/.test(line));
  const heap = /FATAL ERROR: .*heap out of memory/.exec(stderr);
  if (heap !== null) return { type: 'MemoryError', message: heap[0] };
  if (at === -1) return undefined;
  const [, type = 'Error', message = ''] =
    /^(?:Uncaught )?\[?([A-Z][\w$]*)(?: \[\w+\])?(?:: (.*))?/.exec(lines[at]!) ?? [];
  const place = new RegExp(`${mainFile.replace('.', '\\.')}:(\\d+)`);
  const frame = lines.slice(at).find((line) => place.test(line)) ?? lines.find((line) => place.test(line));
  return withLine({ type, message: message || type }, frame === undefined ? undefined : place.exec(frame)?.[1]);
}

/** `main.sh: line 3: nosuch: command not found` */
function readBash(stderr: string): Found | undefined {
  const last = stderr
    .trimEnd()
    .split('\n')
    .findLast((line) => line.startsWith(`${mainFiles.bash}: `));
  const match = last === undefined ? null : /: line (\d+): (.*)$/.exec(last);
  return match === null ? undefined : withLine({ message: match[2]! }, match[1]);
}

/** A program can print any digits; what is no line of any file is left out. */
function withLine(found: Found, digits: string | undefined): Found {
  const line = Number(digits);
  return line <= limits.codeBytesMax ? { ...found, line } : found;
}

function signalMessage(exitCode: number): string {
  return `The program was ended by signal ${exitCode - 128}.`;
}

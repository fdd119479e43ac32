import type { Language } from './task.ts';

/** Where the code of `execute_code` lies in the working directory; no inline file may take its place. */
export const mainFiles: Record<Language, string> = {
  python: 'main.py',
  javascript: 'main.js',
  typescript: 'main.ts',
  bash: 'main.sh',
};

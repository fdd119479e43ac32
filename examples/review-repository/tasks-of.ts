import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';

/** Prints `tasks.yaml` with one task for each address of a list: each like the first one that stands there. */

const batch = z.looseObject({
  tasks: z.tuple([z.looseObject({ id: z.string(), repo: z.looseObject({ url: z.string() }) })], z.unknown()),
});

const [list] = process.argv.slice(2);

if (list === undefined) {
  console.error('Usage: node examples/review-repository/tasks-of.ts LIST > FILE');
  process.exitCode = 2;
} else {
  const { tasks, ...rest } = batch.parse(parse(readFileSync(new URL('tasks.yaml', import.meta.url), 'utf8')));
  const [first] = tasks;
  const addresses = readFileSync(list, 'utf8').split('\n').map(withoutComment).filter(Boolean);
  const made = addresses.map((url) => ({ ...first, id: idOf(url), repo: { ...first.repo, url } }));
  console.log(JSON.stringify({ ...rest, tasks: made }, null, 2));
}

// --- Internal helpers ---

function withoutComment(line: string): string {
  return line.replace(/(^|\s)#.*$/, '').trim();
}

/** `owner-name`, which is also the name of the folder of its result. */
function idOf(url: string): string {
  const path = url.replace(/^\w+:\/\/[^/]+\//, '').replace(/^[^@]+@[^:]+:/, '');
  return path.replace(/(\.git)?\/?$/, '').replaceAll(/[^A-Za-z0-9._-]+/g, '-');
}

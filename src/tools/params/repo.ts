import { z } from 'zod';
import { onConflict, parseRepositoryUrl, type RepositorySpec, refFault } from '../../contracts/repository.ts';
import { secretReference } from '../../contracts/secrets.ts';
import { relativePath } from './files.ts';
import { boundedText, notEmpty } from './text.ts';

/** A repository to work on, and what is committed to it afterwards. */

const depthMax = 1_000_000;
const filesMax = 1000;

function checked(fault: (text: string) => string | undefined) {
  return z.string().check(({ value, issues }) => {
    const message = fault(value);
    if (message !== undefined) issues.push({ code: 'custom', message, input: message });
  });
}

const ref = checked(refFault);

const url = checked((text) => {
  const address = parseRepositoryUrl(text);
  return typeof address === 'string' ? address : undefined;
});

const commit = z.strictObject({
  message: notEmpty(boundedText(64 * 1024, '64 KiB')).refine((text) => !text.includes('\0'), 'holds a NUL character'),
  push: z.boolean().default(true),
  branch: ref.optional(),
  files: z.array(relativePath).min(1).max(filesMax).optional().describe('Everything that changed otherwise'),
  on_conflict: onConflict
    .default('fail')
    .describe('Where the branch moved on: rebase keeps this side of a conflict, force overwrites'),
});

export const repoField = z
  .strictObject({
    url: url.describe('https, ssh or git@host:path'),
    ref: ref.optional().describe('Branch, tag or commit'),
    depth: z.int().min(0).max(depthMax).default(1).describe('0: all history'),
    secret: checked((text) =>
      secretReference.test(text) ? undefined : 'is no reference such as env:NAME or secret-manager:NAME',
    )
      .optional()
      .describe('Reference: token, or private key for ssh'),
    commit: commit.optional().describe('Done if Claude succeeds'),
  })
  .optional()
  .describe('A git repository, cloned into the working directory');

export function repositoryOf(field: z.output<typeof repoField>): RepositorySpec | undefined {
  if (field === undefined) return undefined;
  const { commit: asked, ...repo } = field;
  if (asked === undefined) return repo;
  const { on_conflict, ...rest } = asked;
  return { ...repo, commit: { ...rest, onConflict: on_conflict } };
}

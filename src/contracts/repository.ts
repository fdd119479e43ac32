import { z } from 'zod';

/** Repositories that a task works on: how they are named, what is done with them, what became of it. */

/** A server of repositories. */
export interface RepositoryPlace {
  readonly transport: 'https' | 'http' | 'ssh';
  /** Lower case. */
  readonly host: string;
  readonly port: number;
}

/** Where a repository lies, as its URL says. */
export interface RepositoryAddress extends RepositoryPlace {
  /** Undefined where the URL names none. */
  readonly user: string | undefined;
  /** The same place in one spelling, for git and for people. It holds no credential. */
  readonly url: string;
}

const standardPorts = { https: 443, http: 80, ssh: 22 } as const;

const name = '[A-Za-z0-9_+][A-Za-z0-9._+~-]{0,199}';
const host = '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?';
const path = '[A-Za-z0-9._~/+%@-]{1,1000}';
const urlPattern = new RegExp(`^(https?|ssh)://(?:(${name})@)?(${host})(?::(\\d{1,5}))?/(${path})$`, 'i');
const scpPattern = new RegExp(`^(${name})@(${host}):(?!//)(${path})$`);

/** The address; where the text is none, a sentence that says why, without what may be a credential in it. */
export function parseRepositoryUrl(text: string): RepositoryAddress | string {
  if (/^\w+:\/\/[^/@]*:[^/@]*@/.test(text)) return 'must not hold a password: name its reference in repo.secret';
  const [, scpUser, scpHost, scpPath] = scpPattern.exec(text) ?? [];
  if (scpHost !== undefined && scpPath !== undefined) {
    const host = scpHost.toLowerCase();
    // Counted from the user's home where no slash begins it, which no other form can say.
    const address = { transport: 'ssh', host, port: 22, user: scpUser, url: `${scpUser}@${host}:${scpPath}` } as const;
    return pathFault(scpPath) ?? address;
  }
  const [, scheme, user, hostName, digits, path] = urlPattern.exec(text) ?? [];
  if (scheme === undefined || hostName === undefined || path === undefined) {
    return 'must be https://host/path, ssh://user@host/path or git@host:path';
  }
  const transport = scheme.toLowerCase() as RepositoryAddress['transport'];
  const [host, port] = [hostName.toLowerCase(), digits === undefined ? standardPorts[transport] : Number(digits)];
  if (port < 1 || port > 65_535) return 'has no such port';
  const at = user === undefined ? '' : `${user}@`;
  const colon = port === standardPorts[transport] ? '' : `:${port}`;
  return pathFault(path) ?? { transport, host, port, user, url: `${transport}://${at}${host}${colon}/${path}` };
}

/**
 * The URL of a repository beside the one at `address`, as its submodules name it: whole, or relative to that one. Where it
 * lies on the same host, the URL under which the same transport reaches it; undefined where it lies elsewhere or is none.
 */
export function urlBeside(address: RepositoryAddress, text: string): string | undefined {
  const other = parseRepositoryUrl(/^\.\.?\//.test(text) ? relativeUrl(address.url, text) : text);
  if (typeof other === 'string' || other.host !== address.host) return undefined;
  if (other.transport === address.transport) return other.port === address.port ? other.url : undefined;
  // What git@host:o/r is to one who has a key is https://host/o/r to one who has a token.
  const isUsual = [address, other].every(({ transport, port }) => port === standardPorts[transport]);
  if (!isUsual || address.transport === 'http') return undefined;
  return `${address.url.slice(0, -pathOf(address.url).length)}${pathOf(other.url)}`;
}

/** Whether both lie below the same first folder of their host, which is the owner's on every forge. */
export function haveOneOwner(one: string, other: string): boolean {
  const [first, second] = [one, other].map((url) =>
    pathOf(url).split('/').filter(Boolean).slice(0, -1)[0]?.toLowerCase(),
  );
  return first === second;
}

function pathOf(url: string): string {
  return url.replace(/^(\w+:\/\/[^/]+\/|[^/:]+:)/, '');
}

/** Steps up from the base itself, as git does: `../b` beside `https://host/o/a` is `https://host/o/b`. */
function relativeUrl(base: string, text: string): string {
  const path = pathOf(base).replace(/\/+$/, '').split('/');
  const steps = text.split('/').filter((step) => step !== '.');
  const up = steps.findIndex((step) => step !== '..');
  const kept = path.slice(0, Math.max(0, path.length - (up === -1 ? steps.length : up)));
  const isWithin = up !== -1 && up <= path.length;
  return isWithin ? `${base.slice(0, -pathOf(base).length)}${[...kept, ...steps.slice(up)].join('/')}` : '';
}

function pathFault(path: string): string | undefined {
  const isPlain = path !== '/' && !path.startsWith('-') && !path.split('/').includes('..');
  return isPlain ? undefined : 'has no path of a repository';
}

/** Why this can be no branch, tag or commit; undefined where it can. The rules of git, without names that look like options. */
export function refFault(ref: string): string | undefined {
  if (ref === '' || ref.length > 250) return 'is no name of a branch, a tag or a commit';
  const isPlain = /^[^\p{Cc}\s~^:?*[\\]+$/u.test(ref) && !/^[-/.]|[/.]$|\.lock(\/|$)|\.\.|\/\/|\/\.|@\{|^@$/.test(ref);
  return isPlain ? undefined : 'is no name of a branch, a tag or a commit';
}

export const onConflict = z.enum(['fail', 'rebase', 'force']);
export type OnConflict = z.infer<typeof onConflict>;

/** Where this stands in the name of a branch, the number of the run takes its place. */
export const runMark = '{run}';

/** The artifact that holds a commit that was not pushed, for `git am`. It is Runyard's own: no file of a run can take its place. */
export const patchPath = 'commit.patch';

/** What is committed once Claude has succeeded. */
export const commitSpec = z.strictObject({
  message: z.string(),
  push: z.boolean(),
  /** Where it is pushed to, `runMark` for the number of the run in it; the branch that was checked out where not given. */
  branch: z.string().optional(),
  /** Everything that changed where not given. */
  files: z.array(z.string()).optional(),
  onConflict,
});
export type CommitSpec = z.infer<typeof commitSpec>;

export const repositorySpec = z.strictObject({
  url: z.string(),
  /** The remote's own default where not given. */
  ref: z.string().optional(),
  /** Commits of history; 0 for all of it. */
  depth: z.int().min(0),
  /** A reference where a task is submitted, its value where it is sealed. */
  secret: z.string().optional(),
  commit: commitSpec.optional(),
  /** What the server adds when it seals the task: what the operator allows and knows. */
  operator: z
    .strictObject({
      /** This host and port may be private, and spoken to in plain http. */
      isAllowed: z.boolean(),
      /** Lines of `known_hosts` besides those that ship with the product. */
      knownHosts: z.string(),
    })
    .optional(),
});
export type RepositorySpec = z.infer<typeof repositorySpec>;

/** What a run left in its repository. */
export const gitResult = z.object({
  sha: z.string(),
  branch: z.string().optional(),
  pushed: z.boolean(),
  /** Against the commit that was checked out, or the remote's where the commit was rebased; absent where it could not be counted. */
  diffStat: z.object({ files: z.int(), insertions: z.int(), deletions: z.int() }).optional(),
});
export type GitResult = z.infer<typeof gitResult>;

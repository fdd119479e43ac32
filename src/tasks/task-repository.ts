import type { Caller } from '../contracts/caller.ts';
import type { DialTarget } from '../contracts/egress.ts';
import { RunyardError } from '../contracts/errors.ts';
import { looksLikeAddress } from '../contracts/hosts.ts';
import {
  parseRepositoryUrl,
  patchPath,
  type RepositoryAddress,
  type RepositoryPlace,
  type RepositorySpec,
  runMark,
} from '../contracts/repository.ts';
import { refuseUndeclared } from '../contracts/secret-policy.ts';
import type { TaskSpec } from '../contracts/task.ts';
import type { NewTask } from '../contracts/task-service.ts';
import type { SecretSource } from './task-secrets.ts';

/** What the operator allows and knows of the hosts of repositories. */
export interface RepositoryPolicy {
  /** Hosts and ports that may be private, or spoken to in plain http. */
  readonly privateHosts: readonly DialTarget[];
  /** The one place that a GitHub token which a caller brings may be sent to. */
  readonly tokenPlace: RepositoryPlace;
  /** Lines of `known_hosts` besides those that ship with the product, as they are now. */
  readonly knownHosts: () => Promise<string>;
}

export interface RepositorySource extends SecretSource {
  readonly repositories: RepositoryPolicy;
}

/**
 * Throws `forbidden` or `egress_denied` where the task names a repository, or a secret for one, that it may not use;
 * `invalid_request` where its runs would push over each other.
 */
export function refuseRepository(
  source: RepositorySource,
  { spec, runs }: Pick<NewTask, 'spec' | 'runs'>,
  caller: Caller,
): void {
  if (spec.kind !== 'claude' || spec.repo === undefined) return;
  refuseOneBranch(spec.repo, runs);
  const { url, secret } = spec.repo;
  const address = addressOf(url);
  const { host, port, transport } = address;
  if (!isAllowed(source, address)) {
    if (transport === 'http') throw denied(url, 'is plain http');
    if (looksLikeAddress(host)) throw denied(url, 'is an address and not a name');
  }
  if (secret !== undefined) refuseUndeclared(source.secretDeclarations, secret, 'git', caller, { host, port });
  else if (transport === 'ssh' && caller.credentials?.ssh_key === undefined) {
    throw new RunyardError('invalid_request', 'repo.secret: ssh needs a private key. Name its reference.');
  }
}

/** The spec with the repository's secret in place of its reference, and what a runner must know of its host. */
export async function withRepository(source: RepositorySource, spec: TaskSpec, caller: Caller): Promise<TaskSpec> {
  if (spec.kind !== 'claude' || spec.repo === undefined) return spec;
  const address = addressOf(spec.repo.url);
  const [secret, knownHosts] = await Promise.all([
    spec.repo.secret === undefined
      ? broughtFor(address, source, caller)
      : source.secrets.read(spec.repo.secret, AbortSignal.timeout(readingTimeoutMs)),
    address.transport === 'ssh' ? source.repositories.knownHosts() : '',
  ]);
  const repo: RepositorySpec = {
    ...spec.repo,
    ...(secret === undefined ? {} : { secret }),
    operator: { isAllowed: isAllowed(source, address), knownHosts },
  };
  return { ...spec, repo };
}

// --- Internal helpers ---

function refuseOneBranch({ commit }: RepositorySpec, runs: number): void {
  if (runs === 1 || !commit?.push || commit.branch?.includes(runMark)) return;
  throw new RunyardError('invalid_request', `repo.commit.branch: ${runs} runs would push to one branch.`, {
    hint: `Put ${runMark} into its name, as in fix-${runMark}: each run pushes to a branch of its own. With push false, each keeps ${patchPath}.`,
  });
}

const readingTimeoutMs = 20_000;

function addressOf(url: string): RepositoryAddress {
  const address = parseRepositoryUrl(url);
  if (typeof address === 'string') throw new RunyardError('invalid_request', `repo.url: ${address}`);
  return address;
}

/** What the caller brought for this place. A token is for one place only, whatever repository is named. */
function broughtFor(address: RepositoryAddress, { repositories }: RepositorySource, { credentials }: Caller) {
  if (address.transport === 'ssh') return credentials?.ssh_key;
  const { transport, host, port } = repositories.tokenPlace;
  const isThere = address.transport === transport && address.host === host && address.port === port;
  return isThere ? credentials?.github_token : undefined;
}

function isAllowed({ repositories }: RepositorySource, { host, port }: RepositoryAddress): boolean {
  return repositories.privateHosts.some((each) => each.host === host && each.port === port);
}

function denied(url: string, why: string): RunyardError {
  return new RunyardError('egress_denied', `repo.url: ${url} ${why}.`, {
    hint: 'Use its https address. The operator can list hosts that may be private or plain in RUNYARD_GIT_ALLOW.',
  });
}

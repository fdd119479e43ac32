import type { CommitSpec } from '../../contracts/repository.ts';
import { type Step, wallPaths } from '../../contracts/sandbox.ts';
import { cleanGit } from './git-wall.ts';

/**
 * Steps of git in the run's own wall, without a credential and without a network. The first comes before anything
 * untrusted, the last after it: what that one leaves is a stranger's data.
 */

/** Makes the working tree of what `Clone.lay` has placed, and lays the caller's files over it. */
export function checkoutStep(
  folder: string,
  { sha, branch, url }: { readonly sha: string; readonly branch: string | undefined; readonly url: string },
): Step {
  return step('checkout', checkoutScript, [folder, sha, branch ?? '', url]);
}

/** Where the caller's files wait until the working tree is there. */
export function pathOfFile(folder: string, path: string): string {
  return `${folder}/files/${path}`;
}

/** Commits, and packs what is new since `base` below `output/`, the one place that is always looked into. Never fails. */
export function commitStep(folder: string, base: string, { message, files = [] }: CommitSpec): Step {
  return step('commit', commitScript, [folder, base, message, ...files]);
}

/** What the commit is signed with. */
export const identity = { name: 'Claude Code', email: 'noreply@anthropic.com' } as const;

// --- Internal helpers ---

function step(name: string, script: string, args: readonly string[]): Step {
  const env = {
    ...cleanGit,
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: wallPaths.home,
    GIT_ALLOW_PROTOCOL: 'none',
    GIT_AUTHOR_NAME: identity.name,
    GIT_AUTHOR_EMAIL: identity.email,
    GIT_COMMITTER_NAME: identity.name,
    GIT_COMMITTER_EMAIL: identity.email,
    // Paths are paths: no patterns, no magic.
    GIT_LITERAL_PATHSPECS: '1',
  };
  // Nothing of the caller's environment: its variables of git are meant for Claude.
  const words = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  return { name, argv: ['/usr/bin/env', '-i', ...words, '/bin/bash', '-c', script, name, ...args] };
}

const begin = `set -u
cd ${wallPaths.workspace} || exit 1
g() { git -c safe.directory=* -c core.hooksPath=/dev/null -c core.fsmonitor=false -c gc.auto=0 -c submodule.recurse=false -c advice.detachedHead=false "$@"; }
`;

const checkoutScript = `${begin}set -e
folder=$1 sha=$2 branch=$3 url=$4
umask 022
command -v git >/dev/null || { echo 'there is no git in the sandbox' >&2; exit 1; }
g init -q --template=
find "$folder/.git" -name 000000 | while read -r first; do
  pieces=\${first%/*}
  to=".git/\${pieces#"$folder/.git/"}"
  mkdir -p "\${to%/*}"
  for piece in "$pieces"/*; do cat "$piece" >> "$to"; rm "$piece"; done
done
mkdir -p .git/info
printf '/input/\\n/output/\\n' > .git/info/exclude
g config remote.origin.url "$url"
g config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'
if [ -n "$branch" ]; then
  g symbolic-ref HEAD "refs/heads/$branch"
  g reset -q --hard "$sha"
  g config "branch.$branch.remote" origin
  g config "branch.$branch.merge" "refs/heads/$branch"
else g checkout -q -f --detach "$sha"
fi
g update-ref -d refs/runyard/checkout
if [ -d "$folder/files" ]; then cp -R -P -p --remove-destination "$folder/files/." .; fi
rm -rf "$folder"
mkdir -p output 2>/dev/null || true
`;

const commitScript = `${begin}
folder=$1 base=$2 message=$3
shift 3
to="output/$folder"
mkdir -p "$to" || exit 0
commit() {
  rm -f .git/index.lock
  if [ $# -eq 0 ]; then
    g add -A || return 1
    g diff --cached --quiet && return 0
    printf '%s\\n' "$message" | g -c commit.gpgSign=false commit -q --no-verify -F -
  else
    g add -A -- "$@" || return 1
    g diff --cached --quiet -- "$@" && return 0
    printf '%s\\n' "$message" | g -c commit.gpgSign=false commit -q --no-verify -F - -- "$@"
  fi
}
pack() {
  tip=$(g rev-parse -q --verify 'HEAD^{commit}') || return 1
  if [ "$tip" = "$base" ]; then : > "$to/$tip.same"; return 0; fi
  printf '%s\\n^%s\\n' "$tip" "$base" | g pack-objects -q --revs --thin --stdout --delta-base-offset > "$to/pack" || return 1
  mv "$to/pack" "$to/$tip.pack"
}
{ commit "$@" && pack; } > "$to/log" 2>&1 < /dev/null
exit 0
`;

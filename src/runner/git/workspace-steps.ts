import type { CommitSpec } from '../../contracts/repository.ts';
import { type Step, wallPaths } from '../../contracts/sandbox.ts';
import { cleanGit } from './git-wall.ts';
import type { Identity } from './identity.ts';

/**
 * Steps of git in the run's own wall, without a credential and without a network. The first comes before anything
 * untrusted, the last after it: what that one leaves is a stranger's data.
 */

/** Makes the working trees of what `layTrees` has placed, and lays the caller's files over them. */
export function checkoutStep(folder: string): Step {
  return step('checkout', checkoutScript, { args: [folder] });
}

/** Where the caller's files wait until the working tree is there. */
export function pathOfFile(folder: string, path: string): string {
  return `${folder}/files/${path}`;
}

export interface Committing {
  readonly folder: string;
  /** What the run began with. */
  readonly base: string;
  readonly identity: Identity;
  readonly commit: CommitSpec;
}

/**
 * Commits, and leaves what is new since `base` below `output/`, the one place that is always looked into: as a pack, and
 * as a patch. Never fails.
 */
export function commitStep({ folder, base, identity, commit: { message, files = [] } }: Committing): Step {
  return step('commit', commitScript, { env: signedBy(identity), args: [folder, base, message, ...files] });
}

/** A patch larger than this is not kept. */
export const patchBytesMax = 32 * 1024 ** 2;

// --- Internal helpers ---

function signedBy({ name, email }: Identity): Record<string, string> {
  return {
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
  };
}

interface Given {
  readonly env?: Readonly<Record<string, string>>;
  readonly args: readonly string[];
}

function step(name: string, script: string, { env: more = {}, args }: Given): Step {
  const env = {
    ...cleanGit,
    ...more,
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: wallPaths.home,
    GIT_ALLOW_PROTOCOL: 'none',
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
folder=$1
umask 022
command -v git >/dev/null || { echo 'there is no git in the sandbox' >&2; exit 1; }
tree() (
  from=$1 sha=$3 branch=$4 url=$5
  cd "$2"
  g init -q --template=
  find "$from/.git" -name 000000 | while read -r first; do
    pieces=\${first%/*}
    to=".git/\${pieces#"$from/.git/"}"
    mkdir -p "\${to%/*}"
    for piece in "$pieces"/*; do cat "$piece" >> "$to"; rm "$piece"; done
  done
  g config remote.origin.url "$url"
  g config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'
  if [ -n "$branch" ]; then
    g symbolic-ref HEAD "refs/heads/$branch"
    g reset -q --hard "$sha"
    g config "branch.$branch.remote" origin
    g config "branch.$branch.merge" "refs/heads/$branch"
  else g checkout -q -f --detach "$sha"
  fi
  # What was fetched can be told from what is new.
  if [ "$2" != . ]; then g update-ref refs/remotes/origin/HEAD "$sha"; fi
  g update-ref -d refs/runyard/checkout
)
number=0
while IFS= read -r -d '' -u 3 path && IFS= read -r -d '' -u 3 sha && IFS= read -r -d '' -u 3 branch && IFS= read -r -d '' -u 3 url; do
  tree "$PWD/$folder/$number" "$path" "$sha" "$branch" "$url"
  number=$((number + 1))
done 3< "$folder/trees"
if [ "$number" -gt 1 ]; then g config submodule.active .; fi
mkdir -p .git/info
printf '/input/\\n/output/\\n' > .git/info/exclude
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
  patch > "$to/patch" && [ "$(wc -c < "$to/patch")" -le ${patchBytesMax} ] || rm -f "$to/patch"
}
patch() (
  # What is no line of commits becomes one: a merge has no patch.
  if [ -n "$(g rev-list -n 1 --merges "$base..$tip")" ] || ! g merge-base --is-ancestor "$base" "$tip"; then
    tip=$(g log -1 --format=%B "$tip" | g commit-tree -p "$base" "$tip^{tree}") || exit 1
  fi
  # Whatever the repository's own settings say.
  g format-patch --stdout --binary --full-index -U3 --src-prefix=a/ --dst-prefix=b/ --submodule=short --no-renames --no-color \\
    --no-ext-diff --no-textconv --no-cover-letter --no-signature --no-attach --no-thread "$base..$tip"
)
# What no commit here can carry. Of repositories within this one: changes inside, commits that nobody else has, and those
# that .gitmodules does not name. And files whose place is in Git LFS.
beyond() {
  g ls-files -s -z -- "$@" | grep -z '^160000 ' | while IFS= read -r -d '' entry; do
    path=\${entry#*$'\\t'}
    [ -e "$path/.git" ] || continue
    named=$(g config -z -f .gitmodules --get-regexp '^submodule[.].*[.]path$' | sed -z 's/[^\\n]*\\n//' | grep -zcxF -e "$path")
    if [ "$named" = 0 ] || [ -n "$(g -C "$path" status --porcelain --ignore-submodules=none)" ] ||
      [ -n "$(g -C "$path" rev-list -n 1 HEAD --not --remotes)" ]; then printf 'repository %s\\0' "$path"; fi
  done
  g diff -z --name-only --no-renames --diff-filter=AMT "$base" HEAD | g check-attr -z --stdin filter |
    while IFS= read -r -d '' path && IFS= read -r -d '' filter && IFS= read -r -d '' value; do
      if [ "$value" = lfs ]; then printf '%s %s\\0' "$value" "$path"; fi
    done
}
{ commit "$@" && { beyond "$@" > "$to/beyond"; pack; }; } > "$to/log" 2>&1 < /dev/null
exit 0
`;

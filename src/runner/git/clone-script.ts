import { identityScript } from './identity.ts';

/**
 * Scripts of a wall of our own, whose only exit is the git host: what git needs to know stands in the environment, the
 * credential comes on stdin and lies in \`/tmp\` of that wall alone. What they find out is told on stdout, a word a line:
 * \`fact NAME VALUE\` and \`fail WORD\`.
 */

/** Lays the credential down and begins the bridge where there is one. */
export const beginning = `set -u
umask 077
cat > /tmp/credential
fact() { printf 'fact %s %s\\n' "$1" "$2"; }
fail() { printf 'fail %s\\n' "$1"; exit 1; }
command -v git >/dev/null || fail no_git
if [ "$TRANSPORT" = ssh ]; then command -v ssh >/dev/null || fail no_ssh; fi
mkdir -p "$HOME"
if [ "$TRANSPORT" = http ]; then
  /runyard/bin/node bridge.mjs socks /tmp/listens </dev/null >/dev/null 2>&1 &
  tries=0
  until [ -e /tmp/listens ]; do tries=$((tries + 1)); [ "$tries" -lt 200 ] || fail no_bridge; sleep 0.05; done
fi
git init -q --template= repository || fail git
cd repository || fail git
if [ "$DEPTH" = 0 ]; then depth=; else depth="--depth=$DEPTH"; fi
fetch() { git fetch -q --no-tags "$@"; }
`;

/**
 * Finds the ref, fetches it and packs what came. Nothing is checked out here: what the tree holds beside its own files is
 * told, or refused where it cannot be had.
 */
export const cloneScript = `${beginning}
git ls-remote --symref "$REPO" HEAD "refs/heads/$REF" "refs/tags/$REF" > /tmp/refs || fail reach
[ -s /tmp/refs ] || [ -n "$REF" ] || fail empty
has() { awk -v want="$1" '$2 == want { found = 1 } END { exit !found }' /tmp/refs; }
branch=
if [ -z "$REF" ]; then
  branch=$(awk '$1 == "ref:" && $3 == "HEAD" && sub("^refs/heads/", "", $2) { print $2; exit }' /tmp/refs)
  has HEAD || fail empty
elif has "refs/heads/$REF"; then branch=$REF
fi
if [ -n "$branch" ]; then
  fetch $depth "$REPO" "+refs/heads/$branch:refs/remotes/origin/$branch" || fail fetch
  found="refs/remotes/origin/$branch"
  fact branch "$branch"
elif [ -z "$REF" ]; then
  fetch $depth "$REPO" "+HEAD:refs/runyard/head" || fail fetch
  found=refs/runyard/head
elif has "refs/tags/$REF"; then
  fetch $depth "$REPO" "+refs/tags/$REF:refs/tags/$REF" || fail fetch
  found="refs/tags/$REF"
elif printf %s "$REF" | grep -qE '^([0-9a-f]{40}|[0-9a-f]{64})$'; then
  # Not every server gives what no ref points at; then it is looked for below all branches and tags.
  fetch $depth "$REPO" "$REF" 2>/tmp/refused || {
    fetch "$REPO" '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*' || fail fetch
  }
  found=$REF
else fail unknown_ref
fi
sha=$(git rev-parse -q --verify "$found^{commit}") || fail unknown_ref
git update-ref refs/runyard/checkout "$sha" || fail git
git pack-refs --all || fail git
# Whatever was fetched in more than one piece becomes one pack.
[ "$(ls .git/objects/pack/*.pack 2>/dev/null | wc -l)" = 1 ] || git repack -qad || fail git
# Files that are pointers to what lies in Git LFS, by what the tree itself says of them.
if git grep -q 'filter=lfs' "$sha" -- '.gitattributes' '*/.gitattributes' 2>/dev/null; then
  GIT_INDEX_FILE=/tmp/index git read-tree "$sha" || fail git
  GIT_INDEX_FILE=/tmp/index git ls-files -z -- ':(attr:filter=lfs)' > /tmp/lfs || fail git
  GIT_INDEX_FILE=/tmp/index xargs -0 -r git --literal-pathspecs grep --cached -l -z -e '^version https://git-lfs' -- < /tmp/lfs > /tmp/pointers 2>/dev/null
  if [ -s /tmp/pointers ]; then fact lfs "$(head -z -n 1 /tmp/pointers | tr -d '\\0' | base64 -w 0)"; fail lfs; fi
fi
# Commits of other repositories, and where those are said to lie: a stranger's words, so they travel as base64.
git ls-tree -r -z "$sha" > /tmp/tree || fail git
if grep -z '^160000 ' /tmp/tree > /tmp/links; then
  git config -z --blob "$sha:.gitmodules" --list > /tmp/modules 2>/dev/null || : > /tmp/modules
  [ "$(cat /tmp/links /tmp/modules | wc -c)" -le 32768 ] || fail many_submodules
  fact links "$(base64 -w 0 < /tmp/links)"
  fact modules "$(base64 -w 0 < /tmp/modules)"
fi
${identityScript}fact sha "$sha"
`;

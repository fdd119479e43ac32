import { beginning } from './clone-script.ts';

/**
 * Takes what the run committed into a clean repository beside the commit it began with, counts it, and pushes it. The
 * pack is a stranger's: every object of it is checked, and what it refers to must be there.
 */
export const pushScript = `${beginning}
holds() { git cat-file -e "$1^{commit}" 2>/dev/null; }
refs='+refs/heads/*:refs/remotes/origin/*'
fetch $depth "$REPO" "$BASE" 2>/tmp/refused || {
  # Not every server gives a commit by its name: then by its branch, and at last among all there are.
  if [ -n "$SOURCE" ]; then fetch $depth "$REPO" "+refs/heads/$SOURCE:refs/runyard/source" 2>/dev/null; fi
  holds "$BASE" || fetch "$REPO" "$refs" '+refs/tags/*:refs/tags/*' || fail fetch
  holds "$BASE" || fail base_gone
}
cat ../pack/* | git index-pack --stdin --fix-thin --strict > /dev/null || fail bad_pack
holds "$TIP" || fail bad_pack
git rev-list --objects --quiet "$TIP" --not "$BASE" || fail bad_pack

count() {
  git diff --shortstat --no-ext-diff --no-textconv "$1" "$2" > /tmp/stat || fail git
  for what in file insertion deletion; do
    number=$(grep -oE "[0-9]+ $what" /tmp/stat | cut -d ' ' -f 1)
    fact "\${what}s" "\${number:-0}"
  done
}
tell() { count "$1" "$2"; fact sha "$2"; }
head_there() { git ls-remote "$REPO" "refs/heads/$BRANCH" > /tmp/refs || fail reach; awk -v want="refs/heads/$BRANCH" '$2 == want { print $1; exit }' /tmp/refs; }
push() {
  fact push begun
  git push -q "$@" 2>/tmp/said; code=$?; cat /tmp/said >&2
  if [ "$code" != 0 ] && grep -qE "$no" /tmp/said; then fact push refused; fi
  return $code
}
# Said where the branch was surely not moved. A connection that breaks says nothing of it.
no='rejected]|stale info|fetch first|non-fast-forward|error: 4[0-9][0-9]|Authentication failed|Permission denied|could not read|Failed to connect'
is_behind() { grep -qE 'stale info|fetch first|non-fast-forward' /tmp/said; }
refuse() {
  if is_behind; then fail moved; fi
  if [ "$(head_there 2>/dev/null)" = "$1" ]; then fact pushed yes; exit 0; fi
  fail push
}

tell "$BASE" "$TIP"
if [ "$PUSH" = no ]; then exit 0; fi

# Replays the commits onto $1; where both changed the same, the commits' own side stays.
carry_over() {
  git checkout -q -f --detach "$TIP" || fail rebase
  git rebase -q -X theirs --empty=drop --reapply-cherry-picks --no-gpg-sign --onto "$1" "$BASE" > /tmp/rebase 2>&1
  rounds=0
  while [ -d .git/rebase-merge ]; do
    rounds=$((rounds + 1)); [ "$rounds" -le 1000 ] || fail rebase
    git diff --name-only --diff-filter=U -z | while IFS= read -r -d '' path; do
      if git ls-files -u -- "$path" | grep -q "^[0-9]* [0-9a-f]* 3"; then
        git checkout-index -f --stage=3 -- "$path" && git add -f -- "$path"
      else git rm -q -f --cached -- "$path"; rm -f -- "$path"
      fi
    done
    git -c core.editor=true rebase --continue > /tmp/rebase 2>&1 || git diff --quiet --diff-filter=U || continue
  done
  git rev-parse -q --verify 'HEAD^{commit}' || fail rebase
}

there=$(head_there) || exit 1
case "$ON_CONFLICT" in
  force)
    push "--force-with-lease=refs/heads/$BRANCH:$there" "$REPO" "$TIP:refs/heads/$BRANCH" || refuse "$TIP" ;;
  rebase)
    tries=0
    sha=$TIP
    while :; do
      if [ -n "$there" ] && ! { holds "$there" && git merge-base --is-ancestor "$there" "$TIP"; }; then
        fetch --depth=1 "$REPO" "+refs/heads/$BRANCH:refs/runyard/there" || fail fetch
        there=$(git rev-parse refs/runyard/there)
        sha=$(carry_over "$there") || { printf '%s\\n' "$sha"; exit 1; }
        tell "$there" "$sha"
      fi
      push "$REPO" "$sha:refs/heads/$BRANCH" && break
      tries=$((tries + 1))
      { is_behind && [ "$tries" -lt 3 ]; } || refuse "$sha"
      there=$(head_there) || exit 1
    done ;;
  *)
    push "$REPO" "$TIP:refs/heads/$BRANCH" || refuse "$TIP" ;;
esac
fact pushed yes
`;

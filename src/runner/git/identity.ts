/** Who a commit of ours is by, as its author and its committer. */
export interface Identity {
  readonly name: string;
  readonly email: string;
}

/** Where the repository names nobody. */
export const defaultIdentity: Identity = { name: 'Claude Code', email: 'noreply@anthropic.com' };

/**
 * Whom the repository's own `.gitconfig` names, as `identityScript` has told it. Both values must be there and be usable:
 * half of somebody is nobody.
 */
export function identityOf(facts: ReadonlyMap<string, string>): Identity {
  const name = usableValue(facts.get('user_name'));
  const email = usableValue(facts.get('user_email'));
  if (name === undefined || email === undefined) return defaultIdentity;
  return isName(name) && isEmail(email) ? { name, email } : defaultIdentity;
}

/**
 * Tells `user.name` and `user.email` of `.gitconfig` as it is in the commit `$sha`, a stranger's words, so they travel as
 * base64. Git reads the file as data, and nothing in it takes effect: no include of it is followed. An end of NUL says that
 * a value is whole.
 */
export const identityScript = `
if bytes=$(git cat-file -s "$sha:.gitconfig" 2>/dev/null) && [ "$bytes" -le 65536 ]; then
  for key in name email; do
    fact "user_$key" "$(git config -z --no-includes --blob "$sha:.gitconfig" --get "user.$key" 2>/dev/null | head -c 1024 | base64 -w 0)"
  done
fi
`;

// --- Internal helpers ---

const charactersMax = 200;

/** Control characters and those that turn the direction of a line, what parts lines, what git puts around an address, no UTF-8. */
const unfit = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}<>\uFFFD]/u;

function usableValue(base64 = ''): string | undefined {
  const [, value] = /^([^\0]+)\0$/.exec(Buffer.from(base64, 'base64').toString('utf8')) ?? [];
  return value === undefined || value.length > charactersMax || unfit.test(value) ? undefined : value.trim();
}

/** Git commits under no name that is punctuation alone. */
function isName(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text);
}

function isEmail(text: string): boolean {
  return /^[^\s@]+@[^\s@]+$/.test(text);
}

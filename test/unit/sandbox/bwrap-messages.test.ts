import { expect, test } from 'vitest';
import { bwrapFailure } from '../../../src/sandbox/bubblewrap/messages.ts';

test.for([
  ['bwrap: setting up uid map: Permission denied', /AppArmor/, /apparmor_restrict_unprivileged_userns/],
  ['bwrap: setting up uid map: Operation not permitted', /root without/, /ordinary user/],
  [
    'bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)',
    /no more user namespaces/,
    /max_user_namespaces/,
  ],
  [
    'bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user namespaces. See <https://deb.li/bubblewrap>',
    /does not let ordinary programs/,
    /unprivileged_userns_clone/,
  ],
  ["bwrap: Can't mount proc on /newroot/proc: Operation not permitted", /hides parts of \/proc/, /systempaths/],
  ['bwrap: Creating new namespace failed: Resource temporarily unavailable', /limit on processes/, /ulimit -u/],
  ['bwrap: Unknown option --disable-userns', /too old/, /0\.8/],
] as const)('%s', ([line, message, hint]) => {
  const failure = bwrapFailure(`something before\n${line}\n`);
  expect(failure.code).toBe('sandbox_unavailable');
  expect(failure.message).toMatch(message);
  expect(failure.message).toContain(line);
  expect(failure.hint).toMatch(hint);
});

test('a line nobody knows is told as it is, and silence as silence', () => {
  expect(bwrapFailure('bwrap: the moon is full\n').message).toContain('the moon is full');
  expect(bwrapFailure('').message).toContain('without a word');
});

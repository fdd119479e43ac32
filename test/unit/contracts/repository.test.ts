import { describe, expect, test } from 'vitest';
import { haveOneOwner, parseRepositoryUrl, refFault, urlBeside } from '../../../src/contracts/repository.ts';

describe('the address of a repository', () => {
  test.each([
    ['https://github.com/o/r.git', 'https', 'github.com', 443, 'https://github.com/o/r.git'],
    ['HTTPS://GitHub.com:8443/o/r', 'https', 'github.com', 8443, 'https://github.com:8443/o/r'],
    ['https://deploy+1@gitlab.com/g/s/r', 'https', 'gitlab.com', 443, 'https://deploy+1@gitlab.com/g/s/r'],
    ['ssh://git@host:2222/~/r', 'ssh', 'host', 2222, 'ssh://git@host:2222/~/r'],
    ['git@github.com:o/r.git', 'ssh', 'github.com', 22, 'git@github.com:o/r.git'],
    ['http://10.0.0.1:3000/r', 'http', '10.0.0.1', 3000, 'http://10.0.0.1:3000/r'],
  ])('%s', (text, transport, host, port, url) => {
    expect(parseRepositoryUrl(text)).toMatchObject({ transport, host, port, url });
  });

  test.each([
    ...['', 'file:///etc', '/etc', '../r', 'ext::sh -c id', 'git://host/r', '-oProxyCommand=id', '--upload-pack=id'],
    ...['https://user:pw@host/r', 'https://:pw@host/r', 'ssh://-oProxyCommand=id/r', 'git@-oProxyCommand=id:r'],
    ...['-u@host:r', 'git@host:-r', 'https://host/-r', 'https://host/a/../../r', 'https://host', 'https://host:0/r'],
    ...[
      'https://host:65536/r',
      'https://host/r\nx',
      'https://host/r x',
      'https://ho st/r',
      'git@host:$(id)',
      'https://[::1]/r',
    ],
  ])('D6: %j is refused', (text) => {
    expect(parseRepositoryUrl(text)).toEqual(expect.any(String));
  });

  test('a password is never repeated', () => {
    expect(parseRepositoryUrl('https://user:the-password@host/r')).not.toContain('the-password');
  });
});

describe('the address of a submodule', () => {
  const beside = (base: string, text: string) => {
    const address = parseRepositoryUrl(base);
    if (typeof address === 'string') throw new Error(address);
    return urlBeside(address, text);
  };

  test.each([
    ['https://github.com/o/r.git', '../sub.git', 'https://github.com/o/sub.git'],
    ['https://github.com/o/r/', '../../p/sub', 'https://github.com/p/sub'],
    ['https://github.com/o/r', './sub', 'https://github.com/o/r/sub'],
    ['https://host:8443/r', '../sub', 'https://host:8443/sub'],
    ['ssh://git@host:2222/srv/r', '.././sub', 'ssh://git@host:2222/srv/sub'],
    ['git@github.com:o/r.git', '../sub.git', 'git@github.com:o/sub.git'],
    ['git@github.com:r', '../sub', 'git@github.com:sub'],
    ['https://github.com/o/r', 'https://GITHUB.com/p/sub', 'https://github.com/p/sub'],
    ['https://github.com/o/r', 'git@github.com:p/sub.git', 'https://github.com/p/sub.git'],
    ['https://github.com/o/r', 'ssh://git@github.com/p/sub', 'https://github.com/p/sub'],
    ['https://me@github.com/o/r', 'http://github.com/p/sub', 'https://me@github.com/p/sub'],
    ['git@github.com:o/r', 'https://github.com/p/sub', 'git@github.com:p/sub'],
  ])('beside %s, %s is %s', (base, text, url) => expect(beside(base, text)).toBe(url));

  test.each([
    ['https://github.com/o/r', 'https://gitlab.com/o/sub'],
    ['https://github.com/o/r', 'https://github.com.evil.example/o/sub'],
    ['https://github.com/o/r', 'https://github.com:8443/o/sub'],
    ['https://github.com/o/r', '../../../sub'],
    ['https://github.com/o/r', '../..'],
    ['https://host:8443/o/r', 'git@host:o/sub'],
    ['http://host/o/r', 'https://host/o/sub'],
    ['https://github.com/o/r', 'https://user:password@github.com/o/sub'],
    ['https://github.com/o/r', 'ext::sh -c id'],
    ['https://github.com/o/r', '-u./x'],
    ['https://github.com/o/r', '../-sub/../x'],
    ['https://github.com/o/r', '/etc'],
    ['https://github.com/o/r', ''],
  ])('D6: beside %s, %j lies elsewhere', (base, text) => expect(beside(base, text)).toBeUndefined());
});

test.each([
  ['https://github.com/o/r', 'https://github.com/O/s.git', true],
  ['git@github.com:o/r', 'git@github.com:o/s', true],
  ['https://gitlab.com/g/sub/r', 'https://gitlab.com/g/other/deep/s', true],
  ['ssh://git@host/r', 'ssh://git@host//s', true],
  ['https://github.com/o/r', 'https://github.com/p/r', false],
  ['git@github.com:o/r', 'git@github.com:oo/r', false],
  ['https://host/o/r', 'https://host/o', false],
])('%s and %s have one owner: %s', (one, other, isSo) => expect(haveOneOwner(one, other)).toBe(isSo));

describe('a ref', () => {
  test.each(['main', 'feature/x-1', 'v1.2.3', 'größe', 'a'.repeat(40)])('%s', (ref) => {
    expect(refFault(ref)).toBeUndefined();
  });

  test.each([
    '',
    '-x',
    '--upload-pack=id',
    'a b',
    'a..b',
    'a~1',
    'a^',
    'a:b',
    'a?',
    'a*',
    'a[',
    'a\\b',
    '/a',
    'a/',
    'a//b',
  ])('%j is refused', (ref) => expect(refFault(ref)).toEqual(expect.any(String)));
  test.each(['a.lock', 'a/.b', '.a', 'a.', 'a@{1}', '@', 'a\nb', 'a\0b', 'a'.repeat(251)])('%j too', (ref) =>
    expect(refFault(ref)).toEqual(expect.any(String)),
  );
});

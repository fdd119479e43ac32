import { expect, test } from 'vitest';
import { readConfig } from '../../../src/config.ts';
import { githubCreateIssue } from '../../../src/tools/github-create-issue.ts';

const configOf = (repos: string) =>
  readConfig({
    flags: ['--github-repos', repos],
    env: {},
    userHome: '/home/somebody',
    isRoot: false,
    readFile: () => undefined,
  });

/** Users whom a company manages have an underscore in their names. */
test.for(['octocat/hello-world', 'octo-corp/.github', 'mona_corp/hello'])('%s is a repository', (repo) => {
  expect(() => githubCreateIssue.check({ repo, title: 'a', body: 'b' })).not.toThrow();
  expect(configOf(repo).githubRepos).toEqual([repo]);
});

test.for(['octocat', 'octocat/', 'octocat/..', '../octocat', 'a/b/c', 'octo.cat/x', 'a b/c'])('%j is none', (repo) => {
  expect(() => githubCreateIssue.check({ repo, title: 'a', body: 'b' })).toThrow('repo: is not "owner/name"');
});

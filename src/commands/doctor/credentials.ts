import type { Config } from '../../config.ts';
import type { Finding } from '../../contracts/sandbox.ts';

/** Says that a credential is there and for where, never what it is. */

export function modelFinding(model: Config['model']): Finding {
  const subject = 'model key';
  if (model === undefined) {
    return {
      subject,
      state: 'missing',
      detail: 'none: no run_claude_task',
      remedy: 'set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN',
    };
  }
  const what = model.credential.kind === 'api_key' ? 'an API key' : 'an OAuth token';
  return { subject, state: 'ok', detail: `${what} for ${hostOf(model.baseUrl)}` };
}

export function githubFinding({ github, githubRepos }: Pick<Config, 'github' | 'githubRepos'>): Finding {
  const subject = 'GitHub token';
  if (github.token === undefined) {
    return {
      subject,
      state: 'missing',
      detail: 'none: no github_create_issue',
      remedy: 'set GITHUB_TOKEN to a token with "Issues: write"',
    };
  }
  const where = githubRepos === undefined ? 'any repository it may write' : githubRepos.join(', ');
  return { subject, state: 'ok', detail: `a token for ${hostOf(github.apiUrl)}; ${where}` };
}

/** Without the user info that an address may carry. */
function hostOf(url: string): string {
  return new URL(url).host;
}

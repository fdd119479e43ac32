/** The one thing Runyard does on GitHub for a model. The operator's token is known to the adapter alone. */
export interface IssueTracker {
  /**
   * Creates an issue, under `broughtToken` where the caller brought one. Tried again only where the first try provably was not carried out, for 5 s at most.
   * Throws `unauthorized`, `forbidden`, `not_found`, `invalid_request`, `rate_limited`, `github_error`, `secret_unavailable`.
   */
  createIssue(issue: NewIssue, signal: AbortSignal, broughtToken?: string): Promise<CreatedIssue>;
}

export interface NewIssue {
  /** `owner/name`. */
  readonly repo: string;
  readonly title: string;
  readonly body: string;
  readonly labels?: readonly string[];
  readonly assignees?: readonly string[];
}

export interface CreatedIssue {
  readonly number: number;
  readonly url: string;
}

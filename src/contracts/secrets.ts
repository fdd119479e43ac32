/** Named credentials of the operator. Read on the server only, when a task is submitted; never by a runner. */
export interface Secrets {
  /**
   * The secret's value now, without trailing newlines. `reference` is `env:NAME` or `secret-manager:NAME`.
   * Throws `secret_unavailable`, which names the reference and never the value.
   */
  read(reference: string, signal: AbortSignal): Promise<string>;
}

/** What a reference looks like. */
export const secretReference = /^(env:[A-Za-z_]\w*|secret-manager:[A-Za-z0-9_-]{1,255})$/;

export const secretUses = ['git', 'env', 'webhook', 'mcp'] as const;
export type SecretUse = (typeof secretUses)[number];

/** What the operator allows a reference to be used for. What is not declared is `forbidden`. */
export interface SecretDeclaration {
  readonly reference: string;
  /** `env` has no host: the value goes into the sandbox. The others are bound to one. */
  readonly uses: readonly { readonly use: SecretUse; readonly host?: string; readonly port?: number }[];
  /** The one owner who may use it; every owner where not given. */
  readonly owner?: string;
}

import type { Prices } from './prices.ts';

/** What the operator adds to the Claude tasks of all callers; sealed into each when it is submitted. */
export interface OperatorDefaults {
  /** Of models; undefined where those of the package count. */
  readonly prices: Prices | undefined;
  /**
   * The default prompt as it is now; undefined where there is none. Throws `backend_error` or `secret_unavailable`, which
   * name the place and never the text.
   */
  systemPrompt(signal: AbortSignal): Promise<string | undefined>;
}

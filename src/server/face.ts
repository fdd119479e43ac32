import type { Logger } from '../lib/logger.ts';
import type { Tool, ToolServices } from '../tools/index.ts';
import type { Calls } from './calls.ts';

/** What every face is made of. */
export interface Face {
  readonly tools: readonly Tool<ToolServices>[];
  readonly services: ToolServices;
  /** Of the package. */
  readonly version: string;
  readonly log: Logger;
  readonly calls: Calls;
}

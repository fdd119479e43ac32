import type { Caller } from '../contracts/caller.ts';
import type { IssueTracker } from '../contracts/github.ts';
import type { HostRule } from '../contracts/hosts.ts';
import type { Inputs } from '../contracts/inputs.ts';
import type { ModelEndpoint } from '../contracts/task.ts';
import type { TaskService } from '../contracts/task-service.ts';

/** Everything all tools together need. Each tool asks for its own slice of it. */
export interface ToolServices {
  readonly tasks: TaskService;
  readonly issues: IssueTracker;
  /** This caller's way to a model: under the credential that was brought, else the server's; undefined where there is none. */
  readonly modelEndpoint: (caller: Caller) => ModelEndpoint | undefined;
  readonly policy: CallerPolicy;
  readonly inputs: Inputs;
}

/** What the operator lets callers ask for. */
export interface CallerPolicy {
  readonly allowedDomains: readonly HostRule[];
  /** Of one run; no limit where undefined. */
  readonly maxBudgetUsd: number | undefined;
  /** Whether it is known what the model costs. The names that `claude` understands beside are not known here. */
  readonly hasPrice: (model: string) => Promise<boolean>;
}

export type Tasks<Method extends keyof TaskService> = { readonly tasks: Pick<TaskService, Method> };

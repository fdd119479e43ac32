import type { IssueTracker } from '../contracts/github.ts';
import type { ModelEndpoint } from '../contracts/task.ts';
import type { TaskService } from '../contracts/task-service.ts';

/** Everything all tools together need. Each tool asks for its own slice of it. */
export interface ToolServices {
  readonly tasks: TaskService;
  readonly issues: IssueTracker;
  /** The server's own way to a model; undefined where no credential is configured. */
  readonly modelEndpoint: ModelEndpoint | undefined;
}

export type Tasks<Method extends keyof TaskService> = { readonly tasks: Pick<TaskService, Method> };

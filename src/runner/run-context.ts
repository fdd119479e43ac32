import type { Artifact } from '../contracts/artifact.ts';
import type { Gateway, GatewayOptions } from '../contracts/gateway.ts';
import type { CollectedFile, Sandbox } from '../contracts/sandbox.ts';
import type { Store } from '../contracts/store.ts';
import type { RunResult, TaskRecord } from '../contracts/task.ts';
import type { EventLog } from './events.ts';
import type { Patience } from './patience.ts';

/** All that the execution of one run may use. */
export interface RunContext {
  readonly task: TaskRecord;
  readonly run: number;
  /** For what the caller brought along; events and artifacts have their own ways. */
  readonly store: Pick<Store, 'read'>;
  readonly sandbox: Sandbox;
  readonly events: EventLog;
  /** Stores one file that the program left, hashing it on the way. */
  readonly keepArtifact: (file: CollectedFile) => Promise<Artifact>;
  /** Aborted, with a `KillReason` as its reason, when the run must end before its time. */
  readonly stop: AbortSignal;
  readonly patience: Patience;
  /** Logs what the run survives. */
  readonly warn: (error: unknown, what: string) => void;
  readonly openGateway: (options: GatewayOptions) => Promise<Gateway>;
  /** Does this once the result was told: nobody waits for a workspace to be wiped. */
  readonly afterwards: (work: () => Promise<void>) => void;
}

/** How a run ended, without what its frame knows already. */
export type RunOutcome = Omit<RunResult, 'run' | 'startedAt' | 'durationMs'>;

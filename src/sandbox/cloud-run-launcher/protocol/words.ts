/** What the runner orders, one after the other; each is answered by one `Answer`, `finish` by none. */
export type Order =
  /** Writes a file of the workspace, or a further piece of it. Content is base64. */
  | {
      readonly order: 'place';
      readonly path: string;
      readonly mode: number;
      readonly content: string;
      readonly append: boolean;
    }
  /** What the step with `stdin` reads. */
  | { readonly order: 'stdin'; readonly content: string; readonly append: boolean }
  /** Listens on this port of the loopback; each connection becomes a channel. */
  | { readonly order: 'door'; readonly port: number }
  | ({ readonly order: 'run' } & RunOrder)
  /** Kills everything, lets what was printed run out, and ends. Obeyed at once, whatever else is going on. */
  | { readonly order: 'finish' };

export interface RunOrder {
  readonly argv: readonly string[];
  /** All of the program's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether it reads what was given as stdin, or nothing. */
  readonly stdin: boolean;
  readonly limits: ProcessLimits;
}

/** Kept by the kernel for each process. */
export interface ProcessLimits {
  readonly fileBytes: number;
  readonly openFiles: number;
  readonly dataBytes: number;
  readonly processes: number;
}

export type Answer =
  | ({ readonly answer: 'ready' } & Standing)
  | { readonly answer: 'done' }
  | { readonly answer: 'failed'; readonly reason: string }
  /** `began`: the limits held, so that it was the program that ended like this. */
  | { readonly answer: 'ended'; readonly exitCode: number; readonly began: boolean }
  /** Nothing but the program that says so is alive, and all that was printed was sent. */
  | { readonly answer: 'finished' };

/** What stands there, looked at from inside before anything untrusted has run. */
export interface Standing {
  readonly uid: number;
  /** Of the effective and the permitted set, in hexadecimal. */
  readonly capabilities: string;
  readonly interfaces: readonly string[];
  /** Whether somebody answers where only the metadata server would. */
  readonly reachesMetadata: boolean;
  readonly canWrite: boolean;
}

/** Channels both sides know of. */
export const channels = { stdout: 1, stderr: 2 } as const;

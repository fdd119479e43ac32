/** Every figure that is a promise (`interface.md` section 1), in one place. */
const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

export const limits = {
  timeoutSecondsMax: 86_400,
  waitSecondsMax: 300,
  /** Most clients give up at 60 s. */
  waitSecondsDefault: 45,
  codeTimeoutSecondsDefault: 60,
  claudeTimeoutSecondsDefault: 3300,
  /** Of each of a Claude task's own commands, before and after it. */
  commandTimeoutSeconds: 600,
  /** Without an event of Claude: its longest tool call takes less. */
  claudeSilenceSeconds: 900,
  codeBytesMax: MiB,
  promptBytesMax: MiB,
  inlineFilesBytesMax: 8 * MiB,
  /** Of one argument or variable of a program, and of all together: the kernel allows little more. */
  wordBytesMax: 100_000,
  wordsBytesMax: MiB,
  pendingTasksPerOwnerMax: 100,
  runsMax: 1000,
  /** Of stdout or response, in the output of a task with several runs: of each run, and of all together. */
  runTextBytes: KiB,
  runsTextBytes: 64 * KiB,
  /** Of the error messages of all its runs. */
  runsMessageBytes: 32 * KiB,
  /** Of the list of all its artifacts. */
  runsArtifactsBytes: 64 * KiB,
  /** Of stdout and of stderr, in a result. */
  resultOutputBytes: 32 * KiB,
  eventsBytesMax: 64 * MiB,
  eventFlushMs: 200,
  eventFlushBytes: 64 * KiB,
  workspaceBytesMax: 4 * GiB,
  workspaceInodesMax: 200_000,
  processesMax: 512,
  artifactFilesMax: 1000,
  artifactBytesMax: 256 * MiB,
  artifactTextBytes: 8 * KiB,
  transcriptBytesMax: 16 * MiB,
  /** Of one that is gone on with. */
  conversationBytesMax: 8 * MiB,
  /** As it stands in a result, its bytes escaped. */
  artifactPathBytesMax: KiB,
  logBytesDefault: 16 * KiB,
  httpBodyBytesMax: 16 * MiB,
  /** In the JSON of one body; a tool takes fewer. */
  httpBodyValuesMax: 150_000,
} as const;

/** What a run may use; the same on every backend. */
export const sizes = {
  small: { cpus: 1, memoryBytes: 2 * GiB },
  medium: { cpus: 2, memoryBytes: 8 * GiB },
  large: { cpus: 8, memoryBytes: 32 * GiB },
} as const;

export type Size = keyof typeof sizes;

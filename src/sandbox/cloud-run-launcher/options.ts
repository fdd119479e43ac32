export interface LauncherOptions {
  readonly launcherPath: string;
  /** Holds the workspaces. Inside it is covered, as `hidden` is. */
  readonly workDir: string;
  /** Of the node and the claude that programs inside get: the root inside is the instance's own. */
  readonly nodePath: string;
  readonly claudePath?: string;
  /** Walls kept ready ahead of need; more than one would cost the instance memory that its run needs. */
  readonly slots: number;
  /** Further folders of the instance that no program may see; those that are not there are left out. */
  readonly hidden?: readonly string[];
  /** Who must not answer from inside; Google's metadata server where not given. */
  readonly metadata?: { readonly host: string; readonly port: number };
  /** The kernel's own where not given. */
  readonly meminfoPath?: string;
}

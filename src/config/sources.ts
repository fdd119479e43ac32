import type { SettingsSources } from '../lib/settings.ts';

/** All that a configuration is read from. */
export interface ConfigSources extends SettingsSources {
  readonly userHome: string;
  readonly isRoot: boolean;
  /** The text of a file; undefined where there is none. Throws where it cannot be read. */
  readonly readFile: (path: string) => string | undefined;
}

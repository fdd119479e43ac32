import { readFileSync } from 'node:fs';
import { getuid, platform } from 'node:process';
import { RunyardError } from '../contracts/errors.ts';
import type { Finding, Sandbox } from '../contracts/sandbox.ts';
import { executable, findProgram } from '../lib/find-program.ts';
import { findBwrap } from './bubblewrap/foundation.ts';
import { type BubblewrapOptions, createBubblewrap } from './bubblewrap/index.ts';
import { bwrapMissing } from './bubblewrap/messages.ts';
import { insteadOf, lazySandbox, refusingSandbox } from './lazy.ts';

export type SandboxChoice = 'auto' | 'bubblewrap' | 'container' | 'cloud-run-launcher';

export interface SandboxOptions extends BubblewrapOptions {
  /** Of the process: where the container engines' clients are, and what they need to find their engine. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Of the wall `container`; that of the package's version where undefined. */
  readonly image?: string | undefined;
  /** Whether this is an instance of Cloud Run. */
  readonly inCloudRun?: boolean;
  /** Cloud Run's own place where not given. */
  readonly launcherPath?: string;
  /** Folders beside the work folder that hold something private: where a wall shows its machine, it covers them. */
  readonly hidden?: readonly string[];
}

/** Where Cloud Run puts its launcher, on an instance that was deployed with one. */
const launcherOfCloudRun = '/usr/local/gcp/bin/sandbox';

/**
 * The wall that is configured, or the one that fits this machine; never a weaker one. Starts nothing and loads nothing
 * that is not used: what is missing is told by `enter`, as `sandbox_unavailable`.
 */
export function detectSandbox(choice: SandboxChoice, options: SandboxOptions): Sandbox {
  const { technology, otherwise } = chosen(choice, options);
  const sandbox = open(technology, options);
  return otherwise === undefined ? sandbox : insteadOf(otherwise, sandbox);
}

/** What is here of all that the wall needs, and the command that brings what is missing. */
export async function probeSandbox(choice: SandboxChoice, options: SandboxOptions): Promise<Finding[]> {
  const { technology, otherwise } = chosen(choice, options);
  const first = otherwise === undefined ? [] : [insteadFinding(technology, otherwise)];
  return [...first, ...(await probe(technology, options))];
}

interface Chosen {
  /** Undefined where none can be built. */
  readonly technology: Exclude<SandboxChoice, 'auto'> | undefined;
  /** Why the better choice is not taken, and how to bring it. */
  readonly otherwise?: RunyardError;
}

function chosen(choice: SandboxChoice, options: SandboxOptions): Chosen {
  if (choice !== 'auto') return { technology: choice };
  if (options.inCloudRun === true) {
    return executable(launcherPath(options)) === undefined
      ? { technology: 'bubblewrap', otherwise: noLauncher(launcherPath(options)) }
      : { technology: 'cloud-run-launcher' };
  }
  const refusal = bubblewrapRefusal();
  if (refusal === undefined) return { technology: 'bubblewrap' };
  return { technology: hasEngine(options) ? 'container' : undefined, otherwise: refusal };
}

function open(technology: Chosen['technology'], options: SandboxOptions): Sandbox {
  switch (technology) {
    case 'bubblewrap':
      return createBubblewrap(options);
    case 'cloud-run-launcher':
      return lazySandbox(technology, async () => {
        const { createLauncher } = await import('./cloud-run-launcher/index.ts');
        return createLauncher({ ...options, launcherPath: launcherPath(options) });
      });
    case 'container':
      return lazySandbox(technology, async () => {
        const { createContainer } = await import('./container/index.ts');
        return createContainer({ ...options, env: options.env ?? {} });
      });
    case undefined:
      return lazySandbox('none', async () => {
        const { engineMissing } = await import('./container/messages.ts');
        return refusingSandbox(engineMissing());
      });
  }
}

async function probe(technology: Chosen['technology'], options: SandboxOptions): Promise<Finding[]> {
  switch (technology) {
    case 'bubblewrap': {
      const { probeBubblewrap } = await import('./bubblewrap/probe.ts');
      return probeBubblewrap(options);
    }
    case 'cloud-run-launcher': {
      const { probeLauncher } = await import('./cloud-run-launcher/probe.ts');
      return probeLauncher({ ...options, launcherPath: launcherPath(options) });
    }
    case 'container':
    case undefined: {
      const { probeContainer } = await import('./container/probe.ts');
      return probeContainer({ image: options.image, env: options.env ?? {} });
    }
  }
}

/** Why bubblewrap cannot work here, as far as two looks tell; undefined where it may. */
function bubblewrapRefusal(): RunyardError | undefined {
  if (platform !== 'linux') {
    return new RunyardError('sandbox_unavailable', 'Bubblewrap works on Linux only.', {
      hint: 'Use Linux, or WSL 2 on Windows.',
    });
  }
  if (findBwrap() === undefined) return bwrapMissing();
  if (setting('user/max_user_namespaces') === '0') {
    return new RunyardError('sandbox_unavailable', 'This machine allows no user namespaces, which bubblewrap needs.', {
      hint: 'Run "sudo sysctl -w user.max_user_namespaces=15000".',
    });
  }
  if (getuid?.() !== 0 && setting('kernel/unprivileged_userns_clone') === '0') {
    return new RunyardError(
      'sandbox_unavailable',
      'This machine does not let ordinary programs make user namespaces, which bubblewrap needs.',
      { hint: 'Run "sudo sysctl -w kernel.unprivileged_userns_clone=1".' },
    );
  }
  return undefined;
}

/** Undefined where this kernel has no such setting. */
function setting(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function hasEngine({ env }: SandboxOptions): boolean {
  return ['podman', 'docker'].some((name) => findProgram(name, env?.PATH ?? '') !== undefined);
}

function launcherPath(options: SandboxOptions): string {
  return options.launcherPath ?? launcherOfCloudRun;
}

function noLauncher(path: string): RunyardError {
  return new RunyardError('sandbox_unavailable', `Cloud Run's own launcher is not at ${path}.`, {
    hint: 'Run "runyard deploy" again: it turns the launcher on.',
  });
}

function insteadFinding(technology: Chosen['technology'], otherwise: RunyardError): Finding {
  const { message, hint } = otherwise;
  const detail = technology === undefined ? message : `${message} Taken instead: ${technology}.`;
  return { subject: 'sandbox', state: technology === undefined ? 'missing' : 'limited', detail, remedy: hint };
}

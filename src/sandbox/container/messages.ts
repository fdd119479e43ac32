import { RunyardError } from '../../contracts/errors.ts';

/** What an engine says, why, and what to do. The first that fits counts. */
const causes: readonly { readonly says: RegExp; readonly because: string; readonly hint: string }[] = [
  {
    says: /permission denied.*docker\.sock|docker\.sock.*permission denied|dial unix.*permission denied/is,
    because: 'this user may not use docker',
    hint: 'Run "sudo usermod -aG docker $USER" and log in again, or use podman, which needs no such right.',
  },
  {
    says: /Cannot connect to the Docker daemon|docker daemon running|docker_engine|failed to connect to the docker API/i,
    because: 'docker is installed but not running',
    hint: 'Start Docker Desktop, or run "sudo systemctl start docker".',
  },
  {
    says: /Cannot connect to Podman|podman machine|unable to connect to Podman/i,
    because: 'the machine of podman is not running',
    hint: 'Run "podman machine init" once, then "podman machine start".',
  },
  {
    says: /newuidmap|subuid|subgid|no subordinate/i,
    because: 'this user has no user ids to give to containers',
    hint: 'Run "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER", then "podman system migrate".',
  },
  {
    says: /error setting rlimit/i,
    because: 'the engine asks for higher limits than it may have',
    hint: 'Start Runyard with "ulimit -n 4096" or more, and "ulimit -u" as high as the system allows.',
  },
  {
    says: /cgroup.*(not supported|v1)|(not supported|requires).*cgroup/i,
    because: 'the engine does not work with the control groups of this machine',
    hint: 'Install runc ("sudo apt-get install runc"), which podman then uses.',
  },
  {
    says: /image not known|no such image|unable to find image/i,
    because: 'the image is not there any more',
    hint: 'Run "runyard doctor": it prints the command that builds it.',
  },
  {
    says: /no space left on device/i,
    because: 'the disk of the engine is full',
    hint: 'Free some of it, for example with "podman system prune" or "docker system prune".',
  },
  {
    says: /does not answer/,
    because: 'the engine does not answer',
    hint: 'Restart it, then run "runyard doctor".',
  },
];

/** `sandbox_unavailable` in our words, with the engine's own last line where none of ours fits. */
export function engineFailure(name: string, stderr: string): RunyardError {
  const line = stderr.trim().split('\n').at(-1)?.trim().slice(0, 500) || `${name} ended without a word`;
  const known = causes.find(({ says }) => says.test(stderr));
  if (known === undefined) {
    return new RunyardError('sandbox_unavailable', `The container could not be made: ${line}`);
  }
  return new RunyardError('sandbox_unavailable', `The container could not be made: ${known.because} (${line})`, {
    hint: known.hint,
  });
}

export function engineMissing(): RunyardError {
  return new RunyardError('sandbox_unavailable', 'Neither podman nor docker is installed.', { hint: installEngine });
}

const installEngine =
  'Install one: "sudo apt-get install podman" (Debian, Ubuntu), "sudo dnf install podman" (Fedora), "brew install podman" or Docker Desktop (macOS).';

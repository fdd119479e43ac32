// Brings what the tests use beyond the package's own dependencies: fake-gcs-server, a Cloud Storage on loopback that is
// not ours, where Go is there to build it. Called by `npm test`; never fails it: what is missing is said, and the tests
// that need it are skipped. Plain JavaScript without dependencies, like setup.js.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const module = 'github.com/fsouza/fake-gcs-server';
const version = 'v1.56.1';
/** Of the module's source, as Go writes it into what it builds. */
const pin = 'h1:K03sAvbLvDz4hAynpCCUqnNRp+ik9JFSvHbkD/wTPOU=';

const folder = join(fileURLToPath(new URL('..', import.meta.url)), 'node_modules/.cache/runyard');
const program = join(folder, 'fake-gcs-server');
/** A first build takes about two minutes. */
const buildTimeoutMs = 10 * 60_000;

setUp();

function setUp() {
  if (go(['version']) === undefined) {
    if (!existsSync(program)) say(`there is no Go here to build ${module}, so tests on it are skipped.`);
    return;
  }
  if (isPinned()) return;
  rmSync(program, { force: true });
  say(`building ${module} ${version} for the tests, once.`);
  if (go(['install', `${module}@${version}`]) === undefined) {
    say(`${module} could not be built, so tests on it are skipped.`);
  } else if (!isPinned()) {
    rmSync(program, { force: true });
    say(`${module} ${version} is not the source that was pinned, so tests on it are skipped.`);
  }
}

function isPinned() {
  const built = existsSync(program) ? (go(['version', '-m', program]) ?? '') : '';
  return built.split('\n').some((line) => line.trim() === ['mod', module, version, pin].join('\t'));
}

/** What it prints; undefined where it fails or is not there. What it says goes to stderr. @param {string[]} args */
function go(args) {
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-trimpath', GOBIN: folder };
  const options = { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'inherit'], timeout: buildTimeoutMs };
  const { status, stdout } = spawnSync('go', args, options);
  return status === 0 ? stdout : undefined;
}

/** @param {string} sentence */
function say(sentence) {
  process.stderr.write(`runyard: ${sentence}\n`);
}

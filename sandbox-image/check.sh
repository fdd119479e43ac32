#!/bin/sh
# What the image holds, and what it does not. The last layer of the build; whoever wants can run it again:
#   docker run --rm --network none --entrypoint sh IMAGE /opt/runyard/sandbox-image/check.sh
set -eu

fail() { echo "The image is wrong: $*" >&2; exit 1; }
holds() { [ "$2" = "$3" ] || fail "$1 is $2, not $3"; }
pinned() { node -p "require('/opt/runyard/package.json').$1"; }

# Programs, each at the place where a wall looks for it.
/runyard/bin/node -e 'process.exit(Number(process.versions.node.split(".")[0]) === 24 ? 0 : 1)' || fail 'node is not of version 24'
holds claude "$(/runyard/bin/claude --version | cut -d' ' -f1)" "$(pinned 'dependencies["@anthropic-ai/claude-code"]')"
holds runyard "$(pinned version)" "$(cd / && node -p "JSON.parse(require('fs').readFileSync('$(dirname "$(dirname "$(readlink -f "$(command -v runyard)")")")/package.json')).version")"
for path in /usr/bin/python3 /bin/bash /usr/bin/tar /usr/bin/find /usr/bin/tini /opt/runyard/sandbox-image/init/wall.py; do
  [ -r "$path" ] || fail "$path is missing"
done
for program in git curl rg jq bwrap socat ssh zstd ps; do
  command -v "$program" >/dev/null || fail "$program is missing"
done
bwrap --help 2>&1 | grep -q -- --disable-userns || fail 'bubblewrap is too old'
[ -f /opt/runyard/dist/runner/main.js ] || fail 'the runner is missing'
[ ! -e /opt/runyard/node_modules/vitest ] || fail 'what only development needs is in it'
(cd /opt/runyard && node -e '
  const { packages: locked } = require("./package-lock.json");
  for (const [path, { integrity, version }] of Object.entries(require("./node_modules/.package-lock.json").packages)) {
    if (locked[path]?.version !== version || locked[path]?.integrity !== integrity) throw new Error(`${path} is not as locked`);
  }') || fail 'a package is not the one that the lock file names'

# Python, as requirements.txt pins it.
python3 - <<'PYTHON'
import importlib.metadata, pathlib
for line in pathlib.Path('/opt/runyard/sandbox-image/requirements.txt').read_text().split():
    name, version = line.split('==')
    found = importlib.metadata.version(name)
    assert found == version, f'{name} is {found}, not {version}'
    __import__(name)
PYTHON

# Users: untrusted code is neither the runner nor able to write anything of it.
holds 'the user of untrusted code' "$(id -u runyard):$(id -g runyard)" 1000:1000
[ "$(id -u runner)" != 1000 ] || fail 'the runner is the user of untrusted code'
holds 'the owner of /workspace' "$(stat -c %u:%g /workspace)" 1000:1000
others=$(find /opt /runyard /usr /etc -xdev ! -type l \( ! -user root -o -perm /0002 \) -print -quit)
[ -z "$others" ] || fail "$others could be written by others than root"
setuid=$(find / -xdev -type f -perm /6000 -print -quit)
[ -z "$setuid" ] || fail "$setuid would give its caller the rights of another user"

# No secret: neither a variable nor a file where one would lie.
if env | grep -qiE '^[^=]*(token|secret|password|api_?key)[^=]*='; then fail 'a variable of its environment names a secret'; fi
for path in /root/.npmrc /root/.netrc /root/.ssh /root/.git-credentials /root/.config/gcloud /root/.claude; do
  [ ! -e "$path" ] || fail "$path is in it"
done
echo "The image holds what it should."

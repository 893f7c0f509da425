#!/bin/sh
# What the Dockerfile's build stage does: installs the agent into a virtual environment.
# Usage: install.sh SOURCE TARGET [PIP OPTIONS]; PYTHON names the interpreter. For an offline build, give a
# folder of wheels: install.sh SOURCE TARGET --no-index --find-links /absolute/WHEELS.
# Your own files are in the folder `own` beside this script; `idaas-agent package tree` collects them there. They
# go to TARGET/own. If a requirements.lock is among them, with hashes, your own packages are installed too.
set -eu
source=$1 target=$2
shift 2
"${PYTHON:-python3}" -m venv "$target"
target=$(cd "$target" && pwd)
"$target/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --require-hashes \
  --only-binary=:all: -r "$source/requirements.lock" "$@"
own=$(dirname "$0")/own
rm -rf "$target/own"
if [ -d "$own" ]; then
  cp -R "$own" "$target/own"
  chmod -R a+rX "$target/own"
  if [ -f "$own/requirements.lock" ]; then
    (cd "$own" && "$target/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --require-hashes \
      --no-deps --only-binary=:all: -r requirements.lock "$@")
  fi
fi
# One package, idaas_agent: the sandbox, tests and documents are not deployed.
site=$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$target/bin/python" "$source/agent/one_package.py" "$source" "$site"
printf '#!%s/bin/python\nfrom idaas_agent.agent.cli import main\n\nmain()\n' "$target" > "$target/bin/idaas-agent"
chmod 755 "$target/bin/idaas-agent"
"$target/bin/python" -m compileall -q "$site/idaas_agent"

#!/bin/sh
# What the Dockerfile's build stage does: installs the agent into a virtual environment.
# Usage: install.sh SOURCE TARGET [PIP OPTIONS]; PYTHON names the interpreter. For an offline build, give a
# folder of wheels: install.sh SOURCE TARGET --no-index --find-links WHEELS.
set -eu
source=$1 target=$2
shift 2
"${PYTHON:-python3}" -m venv "$target"
"$target/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --require-hashes \
  --only-binary=:all: -r "$source/requirements.lock" "$@"
# Only the agent's own packages: the sandbox, tests and documents are not deployed.
site=$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for package in agent graph identity tools; do
  cp -R "$source/$package" "$site/"
done
find "$site/agent" "$site/graph" "$site/identity" "$site/tools" -name __pycache__ -type d -prune -exec rm -rf {} +
printf '#!%s/bin/python\nfrom agent.cli import main\n\nmain()\n' "$target" > "$target/bin/idaas-agent"
chmod 755 "$target/bin/idaas-agent"
"$target/bin/python" -m compileall -q "$site/agent" "$site/graph" "$site/identity" "$site/tools"

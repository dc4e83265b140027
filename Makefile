# Every target runs from this folder's own .venv. `setup` makes it from nothing, and again when it is
# half-made, moved or older than the pins; otherwise it costs a few hundredths of a second.
# PYTHON=/path/to/python chooses the interpreter. All set-up talk goes to stderr.

.DEFAULT_GOAL := help

# Mirrors, proxies and certificates of the user's own stay in force; what would send the packages
# elsewhere, or stop to ask, does not.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_USER := 0
unexport PIP_CONSTRAINT PIP_PREFIX PIP_REQUIRE_HASHES PIP_ROOT PIP_TARGET
unexport PYTHONHOME PYTHONPATH
# Each process of a test run would compile all tests anew.
unexport PYTHONDONTWRITEBYTECODE

define SETUP
exec >&2
pins="$(pwd) $(cat requirements/dev.txt requirements/audit.txt | cksum)"
project=$(cksum < pyproject.toml)

say() { printf 'song-mcp: %s\n' "$*"; }
fail() { say "$*"; exit 1; }
version() { "$1" -c 'import sys; print(sys.version)' 2>/dev/null; }

venv_is_current() {
    [ "$(cat .venv/.pins 2>/dev/null)" = "$pins" ] || return 1
    made_with=$(version .venv/bin/python) || return 1
    [ -z "${PYTHON:-}" ] || [ "$(version "$PYTHON")" = "$made_with" ]
}

find_python() {
    set -- python3 python3.15 python3.14 python3.13 python3.12 python3.11
    [ -z "${PYTHON:-}" ] || set -- "$PYTHON"
    without_venv=
    for python; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        "$python" -c 'import ensurepip, venv' 2>/dev/null && return
        without_venv=$python
    done
    [ -z "$without_venv" ] ||
        fail "$without_venv comes without venv; on Debian and Ubuntu: apt install python3-venv"
    fail "needs Python 3.11 or newer, tried: $*; install one, or name it: make PYTHON=/path/to/python"
}

install() {
    .venv/bin/python -m pip install --quiet --require-hashes --only-binary :all: "$@" ||
        fail "could not install the requirements; with a network, run this again"
}

make_venv() {
    find_python
    say "setting up .venv with $python, once; this takes about a minute"
    rm -rf .venv
    "$python" -m venv .venv || fail "could not make .venv"
    install -r requirements/dev.txt
    install -r requirements/audit.txt --target .venv/audit # pyproject.toml says why apart
    printf '%s\n' "$pins" > .venv/.pins
}

venv_is_current || make_venv
if [ "$(cat .venv/.project 2>/dev/null)" != "$project" ]; then
    .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e . ||
        fail "could not install song-mcp itself"
    printf '%s\n' "$project" > .venv/.project
fi
endef

# The same for what judges the server from outside: installed below tests/conformance from its lock file
# alone, without running anything of the packages, and again when that file changes.
define SETUP_CONFORMANCE
exec >&2
cd tests/conformance
pins=$(cat package.json package-lock.json .npmrc | cksum)
[ "$(cat node_modules/.pins 2>/dev/null)" != "$pins" ] || exit 0
echo "song-mcp: setting up the conformance suite, once; this takes about a minute"
command -v npm >/dev/null || { echo "song-mcp: needs npm, which comes with Node"; exit 1; }
npm ci --silent --no-engine-strict || {
    echo "song-mcp: could not install the suite; with a network, run this again"
    exit 1
}
printf '%s\n' "$pins" > node_modules/.pins
endef

# The agent frameworks and SDKs whose clients the server is tried with. Each name in CLIENTS is a dependency
# group, and requirements/NAME.txt is installed into .venv-clients/NAME: apart from .venv and from each other,
# as they ask for packages that exclude each other. What runs on Node is pinned in tests/clients/package.json.
CLIENTS = clients clients-v1 clients-sdk
CLIENT_TESTS = tests/clients/impatient.py tests/clients/converters.py tests/clients/songs.py \
	tests/clients/sdks/walks.py \
	tests/clients/installs/listed.py

define SETUP_CLIENTS
exec >&2
began=$(date +%s)
say() { printf 'song-mcp: %s\n' "$*"; }
fail() { say "$*"; exit 1; }

pins() { printf '%s %s\n' "$(pwd)" "$(cat "$@" .venv/.pins | cksum)"; }
is_current() { [ "$(cat "$1/.pins" 2>/dev/null)" = "$(pins $2)" ]; }
note() { pins $2 > "$1/.pins"; did=1; }

did=
installing=
for name in $CLIENTS; do
    folder=.venv-clients/$name
    ! is_current $folder requirements/$name.txt || continue
    say "installing $name, once; this takes about a minute"
    rm -rf $folder
    .venv/bin/python -m venv --without-pip $folder || fail "could not make $folder"
    # The file names all that is needed; pip would look for an extra of one that it names without. Most of
    # it is never imported, so each file is compiled when it is.
    .venv/bin/python -m pip --python $folder/bin/python install --quiet --no-compile --no-deps \
        --require-hashes --only-binary :all: -r requirements/$name.txt &
    installing="$installing $name:$!"
done
for one in $installing; do
    wait ${one#*:} || fail "could not install ${one%:*}; with a network, run this again"
    note .venv-clients/${one%:*} requirements/${one%:*}.txt
done

for node in tests/clients tests/clients/installs; do
    files="$node/package.json $node/package-lock.json $node/.npmrc"
    ! is_current $node/node_modules "$files" || continue
    say "installing what runs on Node in $node, once"
    command -v npm >/dev/null || fail "needs npm, which comes with Node"
    npm ci --prefix $node --silent --no-engine-strict || fail "could not install it; with a network, run this again"
    note $node/node_modules "$files"
done
[ -z "$did" ] || say "set up in $(($(date +%s) - began)) s"
endef

# The same for what packs and checks the ways in: the official tool of MCP bundles, which runs on Node, and
# what is in requirements/packages.txt.
define SETUP_PACKAGES
exec >&2
say() { printf 'song-mcp: %s\n' "$*"; }
fail() { say "$*"; exit 1; }
node=tests/packages
pins=$(cat $node/package.json $node/package-lock.json $node/.npmrc | cksum)
if [ "$(cat $node/node_modules/.pins 2>/dev/null)" != "$pins" ]; then
    say "installing what packs bundles, once"
    command -v npm >/dev/null || fail "needs npm, which comes with Node"
    npm ci --prefix $node --silent --no-engine-strict || fail "could not install it; with a network, run this again"
    printf '%s\n' "$pins" > $node/node_modules/.pins
fi
[ "$1" = packages ] || exit 0
pins="$(pwd) $(cat requirements/packages.txt .venv/.pins | cksum)"
if [ "$(cat .venv-packages/.pins 2>/dev/null)" != "$pins" ]; then
    say "installing what checks packages, once"
    rm -rf .venv-packages
    .venv/bin/python -m venv --without-pip .venv-packages || fail "could not make .venv-packages"
    .venv/bin/python -m pip --python .venv-packages/bin/python install --quiet --no-compile --no-deps \
        --require-hashes --only-binary :all: -r requirements/packages.txt ||
        fail "could not install it; with a network, run this again"
    printf '%s\n' "$pins" > .venv-packages/.pins
fi
endef

define BROWSER
exec >&2
say() { printf 'song-mcp: %s\n' "$*"; }
fail() { say "$*"; exit 1; }

# The player's packages: for building the page, and the chat that the tests show it in.
page=src/song_mcp/player
node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)' \
    2>/dev/null || fail "needs Node 20.19, 22.12 or newer, with npm; nothing else of song-mcp does"
packages="$(pwd) $(cat $page/package.json $page/package-lock.json | cksum)"
if [ "$(cat $page/node_modules/.pins 2>/dev/null)" != "$packages" ]; then
    say "installing the player's packages, once"
    npm ci --prefix $page --no-progress || fail "could not install them; with a network, run this again"
    printf '%s\n' "$packages" > $page/node_modules/.pins
fi
[ "$1" = browser ] || exit 0

# What drives the browser, and the browser.
pins="$(pwd) $(cksum < requirements/browser.txt)"
if [ "$(cat .venv/browser/.pins 2>/dev/null)" != "$pins" ]; then
    say "installing what drives the browser, once"
    rm -rf .venv/browser
    .venv/bin/python -m pip install --quiet --require-hashes --only-binary :all: \
        -r requirements/browser.txt --target .venv/browser ||
        fail "could not install it; with a network, run this again"
    printf '%s\n' "$pins" > .venv/browser/.pins
fi
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
        fail "needs Chromium; on Debian and Ubuntu: apt install chromium"
    say "installing Chromium, once"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium >/dev/null ||
        fail "could not install Chromium"
}
node $page/build.mjs --bundle tests/browser/host.js .venv/browser/host.js
endef

.PHONY: help setup demo test test-busy faults canaries mutants soak conformance clients platform check lock config
.PHONY: bundler mcpb packages publish-check sandbox clean player test-browser player-packages browser

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: export SCRIPT := $(value SETUP)
setup: ## Make or renew .venv (the other targets do it themselves)
	@sh -eu -c "$$SCRIPT"

demo: setup ## Make a song from end to end against the sandbox: no key, no money
	@.venv/bin/song-mcp demo

test: check ## Check, then run the tests; EVERY_ERA=1 runs all, long ones too, in both protocol eras
	@.venv/bin/pytest -n 8 --dist loadgroup $(if $(EVERY_ERA),--every-era)

test-busy: check ## The tests RUNS=3 times with LOOPS=6 endless loops beside them; SLOW=1 halves each core
	@.venv/bin/python -m tests.busy --runs $(or $(RUNS),3) --loops $(or $(LOOPS),6) $(if $(SLOW),--slow) \
		-q -n 6 --dist loadgroup

faults: setup ## The fault tests at full size; SCALE=10 runs ten times as much
	@: > .faults
	@SONG_FAULTS_SCALE=$(or $(SCALE),1) SONG_FAULTS_REPORTS=.faults .venv/bin/pytest tests/faults \
		-n 4 --dist loadgroup; status=$$?; cat .faults; exit $$status

canaries: setup ## The whole suite with canaries for secrets, then a search of all that it produced
	@rm -rf .canaries
	@.venv/bin/pytest tests -q -n 3 --dist loadgroup --show-capture=no --tb=line --every-era \
		--canaries .canaries --basetemp .canaries/files || echo "song-mcp: make test judges what failed"
	@.venv/bin/pytest -q -s tests/faults/harvest_search.py --harvest .canaries

mutants: setup ## Change the money path in COUNT=420 places (0: all) or at ONLY=path:line; do tests fail?
	@.venv/bin/python -m tests.mutants.run --count $(or $(COUNT),420) --seed $(or $(SEED),1) \
		--only "$(ONLY)"

soak: setup ## A hundred open tasks with 5 % faults for SECONDS=300; prints memory and the like
	@.venv/bin/python -W error -m tests.faults.soak $(or $(SECONDS),300)

conformance: export SCRIPT := $(value SETUP_CONFORMANCE)
conformance: setup ## The official conformance suite and Inspector against the server; needs npm
	@sh -eu -c "$$SCRIPT"
	@.venv/bin/pytest tests/conformance/suite.py tests/conformance/inspector.py -s

clients: export SCRIPT := $(value SETUP_CLIENTS)
clients: export CLIENTS := $(CLIENTS)
clients: setup ## The server in agent frameworks, old SDKs and new ones, each with a scripted model; needs npm
	@sh -eu -c "$$SCRIPT"
	@: > .clients
	@SONG_FAULTS_REPORTS=.clients .venv/bin/pytest $(CLIENT_TESTS) -n 2 --dist loadgroup; \
		status=$$?; cat .clients; exit $$status

bundler: export SCRIPT := $(value SETUP_PACKAGES)
bundler: setup
	@sh -eu -c "$$SCRIPT" sh bundler

MCPB = node tests/packages/node_modules/@anthropic-ai/mcpb/dist/cli/cli.js
mcpb: bundler ## Build dist/song-mcp.mcpb, the bundle for Claude Desktop; needs npm
	@.venv/bin/python packaging/ways.py bundle dist/bundle
	@$(MCPB) validate dist/bundle/manifest.json
	@$(MCPB) pack dist/bundle dist/song-mcp.mcpb >/dev/null
	@ls -l dist/song-mcp.mcpb

packages: export SCRIPT := $(value SETUP_PACKAGES)
packages: setup ## Install it in every way from an empty home, and run the demo; needs npm; PYTHONS="3.11 3.14"
	@sh -eu -c "$$SCRIPT" sh packages
	@: > .packages
	@PYTHONS="$(PYTHONS)" SONG_FAULTS_REPORTS=.packages .venv/bin/pytest tests/packages/suite.py -n 3; \
		status=$$?; cat .packages; exit $$status

publish-check: setup ## Say what must be settled before this is published
	@.venv/bin/python packaging/ways.py publish-check

player-packages: export SCRIPT := $(value BROWSER)
player-packages:
	@sh -eu -c "$$SCRIPT" sh page

browser: export SCRIPT := $(value BROWSER)
browser: setup
	@sh -eu -c "$$SCRIPT" sh browser

player: player-packages ## Build the page that plays songs, player.html, from its sources
	@npm run --silent --prefix src/song_mcp/player build

test-browser: browser ## Check the page and try it in a real browser, with pictures
	@npm run --silent --prefix src/song_mcp/player check
	@PYTHONPATH=.venv/browser PLAYER_TEST_HOST=.venv/browser/host.js \
	PLAYER_TEST_CHROMIUM=$$(command -v chromium || command -v chromium-browser) \
	.venv/bin/pytest tests/browser

# What runs in the simulated Windows: server, journal, library, command line and demo.
PLATFORM_TESTS = tests/server tests/journal tests/library tests/wire tests/test_cli.py tests/test_inbox.py \
	tests/test_logs.py tests/test_settings.py tests/test_kept.py tests/installer

platform: setup ## Server, journal, library, command line and demo in a simulated Windows
	@PYTHONPATH=tests/platform/windows .venv/bin/pytest -p tests.platform.suite --whole -q -n 4 --dist loadgroup \
		$(PLATFORM_TESTS)

check: setup ## Lint, formatting, types and security
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/mypy --platform win32 --cache-dir .mypy_cache/win32 src
	@.venv/bin/mypy --platform darwin --cache-dir .mypy_cache/darwin src
	@PYTHONPATH=.venv/audit XDG_CACHE_HOME=.venv/cache .venv/bin/python -m bandit -q -r src -c pyproject.toml

lock: setup ## Compile requirements/ anew; LOCK="--upgrade" renews the pins
	@.venv/bin/uv $(COMPILE) --extra keyring --group dev -o requirements/dev.txt pyproject.toml
	@.venv/bin/uv $(COMPILE) --constraints requirements/dev.txt -o requirements/runtime.txt pyproject.toml
	@.venv/bin/uv $(COMPILE) --constraints requirements/dev.txt --group audit -o requirements/audit.txt
	@.venv/bin/uv $(COMPILE) --constraints requirements/dev.txt --group browser -o requirements/browser.txt
	@for name in $(CLIENTS) packages; do .venv/bin/uv $(COMPILE) --group $$name -o requirements/$$name.txt || exit; done

COMPILE = pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(LOCK)

config: setup ## Print the client configuration for this checkout
	@.venv/bin/python -c 'import json, pathlib; \
	example = pathlib.Path("mcp.json.example").read_text(encoding="utf-8"); \
	command = json.dumps(str(pathlib.Path(".venv/bin/song-mcp").absolute())); \
	print(example.replace("\"/ABSOLUTE/PATH/TO/song-mcp\"", command), end="")'

sandbox: setup ## Run the stand-in for both services
	@.venv/bin/song-mcp sandbox

clean: ## Remove everything the other targets made
	rm -rf tests/conformance/node_modules tests/clients/node_modules tests/clients/installs/node_modules tests/packages/node_modules src/song_mcp/player/node_modules
	rm -rf song-mcp-demo .venv .venv-clients .venv-packages .packages .canaries .clients .faults .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Thin: meson does the work, tools/setup.sh installs what is missing. `make help` lists the targets.
SHELL := /bin/bash
BUILD ?= build
MESON_FLAGS ?=

.NOTPARALLEL:
.PHONY: help setup setup-tests program build console run test unit e2e sanitize fuzz soak soak-server soak-fargate soak-microvm lint audit format load pictures bench cgroup2 clean install package

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: ## install what building and running need (Debian packages; asks sudo if you are not root)
	@tools/setup.sh

setup-tests: ## and what the tests need
	@tools/setup.sh --tests

$(BUILD)/build.ninja: | setup
	@meson setup $(BUILD) $(MESON_FLAGS)

program: setup $(BUILD)/build.ninja # what `run` needs of it
	@ninja -C $(BUILD) gantry src/guest/gantry-init
	@tools/console.sh $(BUILD)

build: setup $(BUILD)/build.ninja ## build/gantry, the web console, the tests
	@ninja -C $(BUILD)
	@tools/console.sh $(BUILD)

console: setup ## the web console alone, into build/console
	@tools/console.sh $(BUILD)

run: export CONSOLE = optional
run: program ## everything on this machine, with a demonstration service
	@tools/run-demo.sh $(BUILD)/gantry

test: setup-tests build ## all tests: unit, runtime, end-to-end, sanitizers, fuzz smoke, linters
	@tools/test.sh $(BUILD)

unit: setup-tests build ## the fast tests only
	@meson test -C $(BUILD) --suite unit --print-errorlogs

e2e: setup-tests build ## real processes, containers and clients
	@tools/e2e.sh $(BUILD)

sanitize: setup-tests ## unit and runtime tests under ASan and UBSan
	@tools/sanitize.sh

fuzz: setup-tests ## each fuzzer for FUZZ_SECONDS (default 60)
	@tools/fuzz.sh $${FUZZ_SECONDS:-60}

soak: setup-tests build ## random histories of the simulator for SOAK_SECONDS (default 600), from a new seed each time
	@tools/soak.sh $(BUILD) $${SOAK_SECONDS:-600}

soak-server: setup-tests build ## rollouts on real nodes while the server is killed KILLS times (default 200)
	@GANTRY_ROLLOUT_KILLS=$${KILLS:-200} tools/e2e.sh $(BUILD) test_services.KilledServer

soak-fargate: setup-tests build ## tasks started and stopped at random on two Fargate hosts (TASKS, default 200); nothing may be left
	@GANTRY_FARGATE_TASKS=$${TASKS:-200} tools/e2e.sh $(BUILD) test_fargate_hosts.Hosts.test_nothing_is_left

soak-microvm: setup-tests build ## all tests of micro-VMs, and MACHINES of them (default 20) started and stopped at random: nothing may be left
	@GANTRY_MACHINES=$${MACHINES:-20} tools/e2e.sh $(BUILD) test_microvm test_microvm_attacks test_microvm_capacity test_microvm_tasks test_microvm_hosts

lint: setup-tests ## formatter, layers, lengths, cppcheck, clang-tidy
	@tools/lint.sh $(BUILD)

audit: setup ## known weaknesses in the console's parts: fails from severity high; asks the package registry
	@cd console && npm audit --audit-level=high || { echo "audit: npm has found something, or its registry does not answer audits (a mirror may not); see above"; exit 1; }

format: ## rewrite the C files in the project's format
	@git ls-files '*.c' '*.h' | xargs clang-format -i

load: setup-tests build ## releases, scaling and the loss of a machine under 60 s of load
	@GANTRY_LOAD_SECONDS=60 GANTRY_LOAD_RATE=2000 tools/e2e.sh $(BUILD) test_balancer.Services test_story

pictures: setup-tests build ## take the screenshots of docs/images anew
	@CONSOLE_PICTURES=$(CURDIR)/docs/images tools/e2e.sh $(BUILD) test_console_walk

bench: setup-tests build ## print figures and ratios (not a test)
	@tools/bench.sh $(BUILD)

cgroup2: setup-tests build ## the end-to-end test on cgroup v2: Debian's cloud kernel in QEMU (slow under emulation)
	@tools/cgroup2.sh $(BUILD)

install: program ## install under /usr/local: program, console, units, man page
	@ninja -C $(BUILD) packaging/gantry.1
	@meson install -C $(BUILD) --no-rebuild

package: program ## a Debian package, BUILD/gantry_….deb
	@tools/package.sh $(BUILD)

clean: ## remove the build folders
	@rm -rf build build-*

# SPDX-License-Identifier: GPL-2.0
#
# Builds, installs and tests grid-missing. `make help` lists the targets.
#
# Modules are built by the kernel's own build system against KDIR; their
# object lists are in Kbuild. Tests build in copies of the tree in the cache
# (tools/testing/vm/build), never here, and need no kernel headers installed.

KDIR ?= /lib/modules/$(shell uname -r)/build
PREFIX ?= /usr/local
DESTDIR ?=
INSTALL_MOD_DIR ?= updates
# For check-vm: a case's name (or several) and the kernel.
CASE ?=
KERNEL ?= all
MINUTES ?= 10
# For check-system.
REBOOTS ?= 10
CUTS ?= 10
SUITE ?=
# For fuzz-ioctl, on the debug kernel.
CALLS ?= 10000000

# A machine owner key and its certificate, to sign the modules with.
MOK ?=
CERT ?=

top := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
vm := tools/testing/vm
testing := tools/testing
version = $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' \
	$(top)tools/packaging/dkms.conf)
dkms_dir = $(DESTDIR)/usr/src/grid-missing-$(version)
module_dir = $(DESTDIR)/lib/modules/$(release)/$(INSTALL_MOD_DIR)
# Not `make kernelrelease`: Debian's headers answer with another one.
release = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' \
	$(KDIR)/include/generated/utsrelease.h)

.PHONY: all modules tools install uninstall modules_install tools_install
.PHONY: check check-user check-vm check-kcsan kunit lint demo setup clean
.PHONY: help kdir bench-tracker bench-path bench-ioctl bench-meta bench-sync \
	bench-fill-readers fuzz
.PHONY: fuzz-ioctl fuzz-meta check-random check-arm64
.PHONY: dkms_install dkms_uninstall deb check-system

all: modules tools

kdir:
	@if [ ! -e "$(KDIR)/Makefile" ]; then \
		echo "make: no kernel headers in $(KDIR)."; \
		echo "make: Install them (Debian: apt install linux-headers-$$(uname -r))," \
		     "or name others: make KDIR=/path/to/headers."; \
		echo "make: The tools alone: make tools. The tests bring their own" \
		     "headers: make check."; \
		exit 1; \
	fi >&2

modules: kdir
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

tools:
	$(MAKE) -C $(top)tools

install: modules_install tools_install

modules_install: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_DIR=$(INSTALL_MOD_DIR) \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) modules_install
	@$(top)tools/packaging/sign-modules $(KDIR) $(module_dir) $(MOK) $(CERT)
	@if [ -z "$(DESTDIR)" ]; then depmod $(release); fi

tools_install: tools
	$(MAKE) -C $(top)tools install PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)

# The modules of every build that could be meant by KDIR, and the tools.
uninstall: kdir
	$(MAKE) -C $(top)tools uninstall PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)
	dir=$(module_dir); \
	rm -f $$dir/grid_missing.ko* $$dir/dm-grid.ko* $$dir/kunit/*_kunit.ko*; \
	rmdir --ignore-fail-on-non-empty -p $$dir/kunit 2>/dev/null || \
		rmdir --ignore-fail-on-non-empty $$dir 2>/dev/null || :
	@if [ -z "$(DESTDIR)" ]; then depmod $(release); fi

# The modules by dkms instead, which builds them anew for each new kernel.
dkms_install:
	install -d $(dkms_dir)
	cp -r $(addprefix $(top),kmod include Kbuild Makefile) $(dkms_dir)
	cp $(top)tools/packaging/dkms.conf $(dkms_dir)
	$(if $(DESTDIR),,dkms install grid-missing/$(version))

dkms_uninstall:
	$(if $(DESTDIR),,dkms remove grid-missing/$(version) --all)
	rm -rf $(dkms_dir)

# Debian packages, into tools/build/deb.
deb:
	@$(top)tools/packaging/deb

# ---- tests ----

setup:
	@$(testing)/setup all

check:
	@$(testing)/check

lint: setup
	@$(testing)/lint

kunit: setup
	@$(testing)/check kunit

check-user: setup
	@$(testing)/check user

check-kcsan: setup
	@$(testing)/check kcsan

check-arm64: setup
	@$(testing)/check arm64

check-vm: setup
	@$(vm)/run --kernel $(KERNEL) $(if $(CASE),$(CASE:%=--case %),--all)

check-system: setup
	@status=0; \
	GRID_REBOOTS=$(REBOOTS) GRID_CUTS=$(CUTS) $(testing)/system/run \
		$(SUITE:%=--suite %) $(if $(CASE),$(CASE:%=--case %),--all) || status=1; \
	$(if $(CASE),,$(testing)/system/packages $(SUITE) || status=1;) exit $$status

demo: setup
	@$(testing)/demo/run

# ---- measurements ----

bench-tracker: setup
	@$(MAKE) --no-print-directory -C $(testing)/user bench

bench-path: setup
	@tools/bench/path

bench-ioctl: setup
	@tools/bench/ioctl

bench-meta: setup
	@tools/bench/meta

bench-sync: setup
	@tools/bench/sync

bench-fill-readers: setup
	@tools/bench/fill-readers

fuzz: setup
	@$(MAKE) --no-print-directory -C $(testing)/user fuzz MINUTES=$(MINUTES)

fuzz-meta: setup
	@$(MAKE) --no-print-directory -C $(testing)/meta fuzz MINUTES=$(MINUTES)

fuzz-ioctl: setup
	@$(vm)/run --kernel debug --case dev_fuzz --timeout 100000 \
		--env GRID_CALLS=$(CALLS)

# Everything at once against the model of acknowledged writes; it says its seed.
check-random: setup
	@$(vm)/run -v --kernel $(if $(filter all,$(KERNEL)),6.12,$(KERNEL)) \
		--case grid_x_random --timeout 100000 \
		$(if $(SEED),--env GRID_ACK_SEED=$(SEED)) \
		--env GRID_RANDOM_SECONDS=$$(($(MINUTES) * 60))

clean:
	@if [ -e "$(KDIR)/Makefile" ]; then \
		$(MAKE) -C $(KDIR) M=$(CURDIR) clean; \
	else \
		find kmod kunit \( -name '*.o' -o -name '*.ko' -o \
			-name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' -o \
			-name modules.order -o -name Module.symvers \) -delete; \
		rm -f *.o *.ko *.mod *.mod.c .*.cmd modules.order Module.symvers; \
	fi
	@if [ -f tools/Makefile ]; then $(MAKE) -C tools clean; fi

help:
	@echo 'Build:'
	@echo '  all              modules and tools (default)'
	@echo '  modules          grid_missing.ko and dm-grid.ko, for KDIR'
	@echo '  tools            gridctl and gridrepaird'
	@echo '  install          both; uninstall removes them'
	@echo '  dkms_install     the modules by dkms; dkms_uninstall'
	@echo '  deb              Debian packages, in tools/build/deb'
	@echo '  clean            remove what make left in this tree'
	@echo
	@echo 'Test (root; installs Debian packages, caches in GRID_CACHE):'
	@echo '  check            everything below; last line "N passed, N failed"'
	@echo '  lint             warnings, sparse, style'
	@echo '  kunit            KUnit suites in the debug kernel (KASAN, lockdep)'
	@echo '  check-user       userspace tests'
	@echo '  check-vm         cases in virtual machines'
	@echo '  check-random     everything at once on the target, for MINUTES [10], SEED'
	@echo '  demo             the whole system at work, in a virtual machine'
	@echo 'Not in check:'
	@echo '  check-system     REBOOTS [10], CUTS [10] of Debian 12 and 13; the packages'
	@echo '  check-kcsan      KUnit suites under KCSAN'
	@echo '  check-arm64      a few cases on arm64, in QEMU'
	@echo
	@echo 'Measure:'
	@echo '  bench-tracker    what operations of the tracker cost'
	@echo '  bench-path       what the target adds to a healthy bio (icount)'
	@echo '  bench-ioctl      what ioctls add to the tracker (icount)'
	@echo '  bench-meta       what metadata adds to these, and to overwrites (icount)'
	@echo '  bench-sync       gridrepaird beside nbdcopy from the same server'
	@echo '  bench-fill-readers  readers beside a fill, and the same by dm-clone'
	@echo '  fuzz             the tracker, coverage-guided, for MINUTES [10]'
	@echo '  fuzz-meta        the loader of metadata, likewise'
	@echo '  fuzz-ioctl       random ioctls on the debug kernel, CALLS [10000000]'
	@echo
	@echo 'Variables:'
	@echo '  KDIR             kernel headers [$(KDIR)]'
	@echo '  DESTDIR, PREFIX  where install puts things [$(PREFIX)]'
	@echo '  MOK, CERT        a key and its certificate: install signs the modules'
	@echo '  CASE, KERNEL     for check-vm: case names, 6.1|6.12|newest|debug|all'
	@echo '  CASE, SUITE      for check-system: case names, bookworm|trixie'
	@echo '  GRID_CACHE       [/var/cache/grid-missing]'

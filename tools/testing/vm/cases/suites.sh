# SPDX-License-Identifier: GPL-2.0
#
# rule: S7 T14 the tracker's suites and the model on another architecture
# kernels: none
# timeout: 300
# boot: shared
#
# Its KUnit suites as programs (tools/testing/user), the model's random runs,
# and the runs written by hand.
. "$GRID_TOP/tools/testing/vm/lib.sh"

cd "$GRID_TOP/tools/testing/user"
for p in unit threads "random 1 40"; do
	# shellcheck disable=SC2086
	./out/there/$p > /tmp/suite.out 2>&1 || fail "$p: $(tail -n 20 /tmp/suite.out)"
	grep -qE '^ *ok ' /tmp/suite.out || [ "$p" != unit ] || fail "nothing ran: $p"
	log "$p: $(grep -cE '^ *ok ' /tmp/suite.out || :) ok"
done
for t in traces/*.trace; do
	./out/there/replay "$t" > /tmp/suite.out 2>&1 || fail "$t: $(cat /tmp/suite.out)"
done
rm /tmp/suite.out

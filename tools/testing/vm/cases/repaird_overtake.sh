# SPDX-License-Identifier: GPL-2.0
#
# rule: 6 T5 a fetched block that a reader wants doesn't wait for others to be written
# kernels: newest
# timeout: 120
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/load/run.sh"
. "$GRID_TOP/tools/testing/vm/repaird.sh"
bs=65536 blocks=512
load_modules
disk_setup 32
grid_create 32 checksum:sha256 no_helper_ms:60000 park_timeout_ms:30000
gridctl manifest "$replica" --block-size=64K --output=/tmp/manifest
defer rm -f /tmp/manifest
lose_all

# The background's first vector doesn't end; all the rest is fetched meanwhile.
disk keep write 0 $((blocks * bs))
repaird --source "$replica" --memory 64M --min-age 1h
fetched() { [ "$(counter served)" = "$blocks" ]; }
wait_until 60 fetched
disk held
assert_eq "$REPLY" 1 "writes that the disk holds"

last=$((blocks - 1))
last_of() { dd "if=$1" bs=$bs skip=$last count=1 status=none "${@:2}"; }
cmp -s <(last_of "$disk_file") <(last_of "$replica") && fail "the last block is there already"
cmp <(last_of "$dev" iflag=direct) <(last_of "$replica")
disk held
assert_eq "$REPLY" 1 "writes that the disk still holds"
log "$(dm_get t0 waiting) of $blocks blocks wait behind it"
[ "$(dm_get t0 waiting)" -gt $((blocks / 4)) ] || fail "nothing waited: the test shows nothing"

disk_let_go
gridctl wait t0 --timeout="$(long 60)s"
cmp "$replica" "$dev"
assert_eq "$(dm_get t0 timeouts)" 0
stop_repaird

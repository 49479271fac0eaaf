# SPDX-License-Identifier: GPL-2.0
#
# rule: D11 T9 save and load carry faults, tables and both generations of releases
# kernels: all
# timeout: 60
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/grid.sh"

bs=65536
load_modules
ram_disk 16
lower=$REPLY
replica_make 16
dev=/dev/mapper/g0
defer rm -f /tmp/save /tmp/save.loaded /tmp/again /tmp/other

count() { number_of g0 "$1"; }
create()
{
	gridctl create g0 "$lower" --block-size=64K --checksum=sha256 \
		--checkpoint=explicit --no-helper=60s "$@" > /dev/null
}

# Two tables: of one the index is repaired, and two values.
table_index 3 100 10
create
defer dm_remove g0
gridctl enqueue-table g0 "3:$(checksum 3)" "4:$(checksum 4)" > /dev/null
gridctl repair g0 --from="$replica" 3 > /dev/null
gridctl repair g0 --from="$replica" 100 105 > /dev/null
# One checkpoint is over, so that the next has an id that a new device would
# not come to by itself.
gridctl checkpoint g0 > /dev/null
# Single blocks; 21 is released before the checkpoint, 31 after it.
gridctl enqueue g0 "20:$(checksum 20)" 21 31 > /dev/null
discard 21 3
id=$(gridctl checkpoint g0 take)
assert_eq "$id" 2
discard 30 2
discard 3 1
discard 50 5
assert_eq "$(count released)" 11
# A run that goes on is one line, whatever the kernel's steps are.
assert_eq "$(gridctl --json released g0 | sed 's/"schema_version":1,//')" '{"address":3,"count":1,"state":"released"}
{"address":21,"count":3,"state":"taken"}
{"address":30,"count":2,"state":"released"}
{"address":50,"count":5,"state":"released"}'
must_fail "not suspended" gridctl save g0 /tmp/save
gridctl save g0 /tmp/save --suspend
gridctl remove g0 --force

log "what must not be loaded"
create
must_fail "lets I/O through already" gridctl load g0 /tmp/save
gridctl remove g0
create --start=held
# spoilt SED-SCRIPT REASON
spoilt()
{
	sed "$1" /tmp/save > /tmp/other
	must_fail "$2" gridctl load g0 /tmp/other
}
spoilt 's/^boot_id .*/boot_id other/' "another boot"
spoilt '/^value 101 /d' "fewer values"
spoilt '/^taken /d' "number of lines"
spoilt 's/^released 50 5/released 254 5/' "beyond the end"
spoilt 's/^checksum .*/checksum md5/' "checksum md5"
spoilt '/^end/d' "cut short"
assert_eq "$(count waiting) $(count released)" "0 0" "a refused load changed something"

log "the same on both sides"
gridctl load g0 /tmp/save
assert_eq "$(count checkpoint_taken)" "$id"
tables=$(gridctl --json tables g0)
assert_match "$tables" '"address":3,"state":"filling","values":8,"values_gone":0'
assert_match "$tables" '"address":4,"state":"indexing"'
gridctl save g0 /tmp/again --suspend
diff <(sort /tmp/save.loaded) <(sort /tmp/again)
dmsetup resume g0
gridctl ready g0

log "what was taken is freed, and nothing else"
must_fail "checkpoint durable: .*no such table or checkpoint" gridctl checkpoint g0 durable $((id - 1))
assert_eq "$(count checkpoint_taken)" "$id" "an id that this device never gave"
gridctl checkpoint g0 durable "$id"
freed() { [ "$(dm_get g0 discarding)" = 0 ]; }
wait_until 20 freed
assert_eq "$(count released)" 8
assert_eq "$(faults_of g0)" "4 20 31 101 102 103 104 106 107 108 109 "
# A checkpoint that frees the index takes the table with it.
gridctl checkpoint g0 > /dev/null
assert_eq "$(faults_of g0)" "4 20 "
gridctl cancel g0 --all --force
gridctl remove g0

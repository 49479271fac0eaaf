# SPDX-License-Identifier: GPL-2.0
#
# rule: U1 U5 every verb of gridctl on the real thing, its words and exit codes
# kernels: stock
# timeout: 90
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/grid.sh"

bs=65536
load_modules
ram_disk 16
lower=$REPLY
replica_make 16
dev=/dev/mapper/g0
defer rm -f /tmp/manifest /tmp/save /tmp/save.loaded

# exits STATUS PATTERN COMMAND...
exits()
{
	local want=$1 pattern=$2 out status=0
	shift 2
	out=$("$@" 2>&1) || status=$?
	assert_eq "$status" "$want" "exit status of '$*' ($out)"
	grep -qi -- "$pattern" <<< "$out" || fail "'$*' doesn't say '$pattern': $out"
}

count() { number_of g0 "$1"; }

log "create"
exits 0 "events" gridctl version
exits 0 "g0: 256 blocks of 64 KiB" gridctl create g0 "$lower" --block-size=64K \
	--checksum=sha256 --start=held --blocks-max=1000 --no-helper=60s
defer dm_remove g0
exits 1 "exists already" gridctl create g0 "$lower" --block-size=64K
exits 1 "no such hash" gridctl create g1 "$lower" --block-size=64K --checksum=nohash
must_fail "Device does not exist" dmsetup info g1
exits 2 "must be from 1" gridctl create g1 "$lower" --block-size=64K --blocks-max=0
exits 0 "^0 32768 grid .* 0 128 1 on_missing:error" \
	gridctl create x "$lower" --block-size=64K --on-missing=error --print-table
exits 0 "g0 " gridctl list
exits 0 "held" gridctl status g0
exits 1 "held" gridctl check g0
number=$(stat -c %Hr:%Lr /dev/mapper/g0)
exits 0 "256 blocks" gridctl status "$number"
exits 0 "256 blocks" gridctl status /dev/mapper/g0
exits 0 "256 blocks" gridctl status "id:$(count id)"
exits 3 "not a device of target grid" gridctl status "$lower"
exits 3 "no such device" gridctl status 254:77

log "enqueue"
gridctl manifest "$replica" --block-size=64K --output=/tmp/manifest
exits 0 "256 blocks enqueued" gridctl enqueue g0 --manifest=/tmp/manifest
exits 0 "0 blocks enqueued, 256 were" gridctl enqueue g0 --manifest=/tmp/manifest
exits 1 "block 7: .*another checksum" gridctl enqueue g0 7:0000
exits 1 "block 256 lies beyond" gridctl enqueue g0 256
assert_eq "$(count waiting)" 256
assert_eq "$(gridctl --json faults g0 | wc -l)" 256
assert_eq "$(gridctl --json faults g0 | sed 's/.*"address":\([0-9]*\),.*/\1/' | sort -nu | wc -l)" 256
assert_eq "$(gridctl --json faults g0 --range=10-13 | wc -l)" 4
assert_eq "$(gridctl --json faults g0 --bytes=65535+2 | wc -l)" 2
assert_eq "$(gridctl --json faults g0 --range=250-9999 | wc -l)" 6
exits 2 "must be FIRST-LAST" gridctl faults g0 --range=9-8
exits 2 "must be OFFSET" gridctl faults g0 --bytes=64K
exits 1 "block 7" gridctl cancel g0 --tables 7
exits 0 "waiting" gridctl batch g0 --max=4
exits 4 "256 blocks are still missing" gridctl wait g0 --timeout=100ms
exits 2 "no helper" gridctl check g0
exits 0 "" gridctl ready g0

log "repair"
block 8 > /tmp/block
defer rm -f /tmp/block
exits 1 "doesn't match the checksum" gridctl repair g0 7 --data=/tmp/block
assert_eq "$(count verify_failed)" 1
exits 0 "1 blocks repaired" gridctl repair g0 8 --data=/tmp/block
exits 1 "no fault" gridctl repair g0 8 --data=/tmp/block
exits 1 "less than one block" gridctl repair g0 9 --data=/dev/null
exits 0 "1 blocks unavailable" gridctl unavailable g0 9
read_fails 9 "No data available"
exits 0 '"address":9,' gridctl --json faults g0 --unavailable
exits 2 "1 blocks fail their readers" gridctl check g0
exits 0 "1 blocks retried" gridctl retry g0 9
exits 0 "255 blocks repaired" gridctl repair g0 --from="$replica"
exits 0 "" gridctl wait g0 --timeout="$(long 5)s"
exits 0 "OK" gridctl check g0
cmp "$replica" /dev/mapper/g0
assert_eq "$(count unverified)" 0

log "tables"
table_index 3 100 50
sum=$(checksum 3)
exits 0 "1 blocks enqueued" gridctl enqueue-table g0 "3:$sum"
exits 0 "1 were missing already" gridctl enqueue-table g0 3 "$sum"
exits 0 "indexing" gridctl tables g0
exits 1 "another checksum" gridctl enqueue g0 3:11111111
exits 0 "1 blocks repaired" gridctl repair g0 --from="$replica" 3
exits 0 '"state":"filling","values":50,"values_gone":0' gridctl --json tables g0
exits 0 "3\[49\]" gridctl faults g0
exits 0 "50 blocks repaired" gridctl repair g0 --from="$replica"
exits 0 "done" gridctl tables g0
exits 0 "3  done" gridctl reclaim g0
assert_eq "$(gridctl --json tables g0 | wc -l)" 0
# What should be an index and is none.
exits 0 "1 blocks enqueued" gridctl enqueue-table g0 "8:$(checksum 8)"
exits 1 "should be a table's index, but" gridctl repair g0 --from="$replica"
exits 6 "is not known to be good" gridctl cancel g0 --all
exits 0 "" gridctl cancel g0 --all --force
exits 0 "cancelled" gridctl tables g0
exits 0 "" gridctl reclaim g0

log "checkpoint, sync jump, set"
exits 0 "" gridctl checkpoint g0
exits 1 "" gridctl checkpoint g0 durable 77
exits 2 "usage" gridctl checkpoint g0 frob
exits 0 "1 blocks enqueued" gridctl enqueue g0 5
exits 0 "" gridctl sync-jump g0 commence
exits 0 "a sync jump is open" gridctl status g0
exits 0 "" gridctl sync-jump g0 complete
assert_eq "$(count waiting)" 0
exits 0 "" gridctl set g0 on_missing:error park_timeout_ms=1000
dmsetup table g0 | grep -q "on_missing:error.*park_timeout_ms:1000"
exits 1 "unknown option" gridctl set g0 colour:blue
exits 1 "unknown option.*; what stands before it is set" gridctl set g0 park_timeout_ms=1001 colour:blue
assert_match "$(dmsetup table g0)" park_timeout_ms:1001
exits 2 "not OPTION:VALUE" gridctl set g0 colour

log "save and load"
exits 0 "3 blocks enqueued" gridctl enqueue g0 10:00000000 20 30
exits 1 "not suspended" gridctl save g0 /tmp/save
exits 1 "nosuch" gridctl save g0 /nosuch/save --suspend
exits 0 '"suspended":false' gridctl --json status g0
exits 0 "3 missing and 0 released blocks" gridctl save g0 /tmp/save --suspend
dmsetup resume g0
exits 6 "3 blocks are missing" gridctl remove g0
exits 0 "" gridctl remove g0 --force
exits 0 "" gridctl create g0 "$lower" --block-size=64K --checksum=sha256 --start=held
sed 's/^boot_id .*/boot_id other/' /tmp/save > /tmp/other
exits 1 "another boot" gridctl load g0 /tmp/other
sed '$d' /tmp/save > /tmp/other
exits 1 "cut short" gridctl load g0 /tmp/other
sed 's/^blocks .*/blocks 7/' /tmp/save > /tmp/other
exits 1 "grid of 7 blocks" gridctl load g0 /tmp/other
rm /tmp/other
assert_eq "$(count waiting)" 0 "a refused load changed something"
exits 0 "3 blocks enqueued and 0 released" gridctl load g0 /tmp/save
exits 0 '"address":10,.*"checksum":"00000000000000000000000000000000"' gridctl --json faults g0
exits 1 "No such file" gridctl load g0 /tmp/save
exits 0 "" gridctl ready g0

log "who may"
must_fail "/dev/grid_missing: permission denied" setpriv --reuid=65534 --clear-groups gridctl status g0
exits 6 "block 20 is not known to be good (nobody knows" gridctl cancel g0 20
exits 0 "2 blocks cancelled" gridctl cancel g0 10 20 --force
exits 1 "block 10: no fault" gridctl cancel g0 10
exits 0 "" gridctl cancel g0 --all --force
exits 0 "" gridctl remove g0
exits 3 "no such device" gridctl remove g0

log "a name with a blank; who holds a device; what lies on it"
exits 0 '"target":"grid".*"unused_bytes":61440' gridctl --json create x "$lower" \
	--block-size=64K --offset=4K --print-table
exits 0 "the last 61440 bytes of .* unused" gridctl create x "$lower" --block-size=64K --offset=4K --print-table
assert_eq "$(gridctl create x "$lower" --block-size=64K --offset=4K --print-table 2> /dev/null | wc -l)" 1
# What lies ahead of the grid is somebody's; what lies in it is the grid's own.
wipefs -qa "$lower"
mkfs.ext4 -q -F "$lower"
exits 1 "holds ext4 ahead of byte 4096" gridctl create "a b" "$lower" --block-size=64K --offset=4K
exits 0 "" gridctl create "a b" "$lower" --block-size=64K
exits 0 "" gridctl remove "a b"
exits 0 "" gridctl create "a b" "$lower" --block-size=64K --offset=4K --force
exits 0 "" gridctl remove "a b"
wipefs -qa "$lower"
exits 0 "the last 61440 bytes" gridctl create "a b" "$lower" --block-size=64K --offset=4K
exits 0 '"removed":true' gridctl --json remove "a b"
exits 0 "a b: 256 blocks" gridctl create "a b" "$lower" --block-size=64K --uuid=seven
assert_eq "$(dmsetup info -c --noheadings -o uuid 'a\x20b')" GRID-seven
defer dm_remove 'a\x20b'
exits 0 "a b: clean" gridctl status "a b"
exits 0 " a b " gridctl list
exits 0 '"set":\["on_missing:error"\]' gridctl --json set "a b" on_missing:error
exits 0 '"durable":true' gridctl --json checkpoint "a b"
exits 0 '"sync_jump":"commence"' gridctl --json sync-jump "a b" commence
exits 0 '"sync_jump":"complete"' gridctl --json sync-jump "a b" complete
exits 0 "128 blocks, 256 before" gridctl resize "a b" --length=8M
exits 0 "256 blocks, 128 before" gridctl resize "a b"
gridctl enqueue "a b" 200 > /dev/null
exits 1 "a b: refused: .*grid" gridctl resize "a b" --length=8M
exits 0 '"suspended":false' gridctl --json status "a b"
gridctl cancel "a b" 200 --force
dmsetup suspend 'a\x20b'
exits 0 "a b goes on" gridctl resume "a b"
number=$(stat -L -c %Hr:%Lr "/dev/mapper/a\\x20b")
exits 0 "256 blocks" gridctl status "$number"
mkfs.ext4 -q -b 4096 "/dev/mapper/a\\x20b"
mkdir -p "/tmp/m t"
mount "/dev/mapper/a\\x20b" "/tmp/m t"
defer sh -c 'umount "/tmp/m t/d" "/tmp/m t" 2> /dev/null; :'
exits 1 "m t/s lies on a b itself" gridctl save "a b" "/tmp/m t/s" --suspend
exits 0 '"suspended":false' gridctl --json status "a b"
dmsetup suspend 'a\x20b'
exits 1 "m t/s lies on a b itself" gridctl save "a b" "/tmp/m t/s"
gridctl resume "a b"
truncate -s 1M "/tmp/m t/image"
loop=$(losetup -f --show "/tmp/m t/image")
defer sh -c "losetup -d $loop 2> /dev/null; :"
mkfs.ext4 -q "$loop"
mkdir "/tmp/m t/d"
mount "$loop" "/tmp/m t/d"
exits 1 "m t/d/s lies on a b itself" gridctl save "a b" "/tmp/m t/d/s" --suspend
umount "/tmp/m t/d"
losetup -d "$loop"
exits 1 "a b is in use: mounted on /tmp/m t" gridctl remove "a b"
umount "/tmp/m t"
dmsetup create top --table "0 8 linear $number 0"
defer dm_remove top
exits 1 "a b is in use: the dm device top lies on it" gridctl remove "a b"
dmsetup remove top
exec 9< "/dev/mapper/a\\x20b"
exits 7 "goes when it is closed: open in process [0-9]* (" gridctl remove "a b" --deferred
exec 9<&-
exits 3 "no such device" gridctl status "a b"

log "a line of gridtab, with --json"
printf 'g9 %s none block-size=64K,start=held\n' "$lower" > /tmp/tab
defer rm -f /tmp/tab
objects() { python3 -c 'import json, sys; print(*[sorted(json.loads(l)) for l in sys.stdin], sep="\n")'; }
# What was left by who was killed while making it, and of somebody else.
dmsetup create g9 --noudevsync --notable
exits 1 "and has no table: .dmsetup remove g9. takes it away" gridctl attach g9 --tab=/tmp/tab
dmsetup remove g9
dmsetup create g9 --noudevsync --table "0 8 zero"
exits 1 "and is not a device of target grid" gridctl attach g9 --tab=/tmp/tab
dmsetup remove g9
exits 0 '"device":"g9","created":true,"held":true' gridctl --json attach g9 --tab=/tmp/tab --nowait
defer dm_remove g9
exits 0 '"held":false' gridctl --json ready g9
exits 0 '"device":"g9","created":false,"held":false' gridctl --json attach --all --tab=/tmp/tab
exits 0 '"device":"g9","removed":true' gridctl --json detach g9 --tab=/tmp/tab
# What its "create" has to say is JSON as well.
sed -i 's/start=held/checksum=nohash/' /tmp/tab
exits 1 '^{"schema_version":1,"error":".*no such hash' gridctl --json attach g9 --tab=/tmp/tab
sed -i 's/,checksum.*//' /tmp/tab
gridctl --json attach g9 --tab=/tmp/tab --nowait | objects > /tmp/tab.out
defer rm -f /tmp/tab.out
assert_eq "$(wc -l < /tmp/tab.out)" 2 "$(cat /tmp/tab.out)"

# SPDX-License-Identifier: GPL-2.0
#
# rule: D6 a SCSI disk's medium error makes a fault; a transport's or a reservation's passes up unchanged
# kernels: stock
# timeout: 60
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/grid.sh"
need_module sd_mod
have_module scsi_debug || skip "this kernel has no scsi_debug"

disk_there() { disk=$(echo /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/sd*) && [ -b "/dev/${disk##*/}" ]; }

# passes_up BLOCK ERROR: it does, and nothing was found by it.
passes_up()
{
	read_fails "$1" "$2"
	assert_eq "$(dm_get t0 waiting) $(dm_get t0 detected)" "0 $found" "faults, found ever"
	passed=$((passed + 1))
	assert_eq "$(dm_get t0 passed_up)" $passed "errors passed up"
}

load_modules
modprobe scsi_debug dev_size_mb=8 delay=0 medium_error_start=384 medium_error_count=1
defer wait_until 60 modprobe -r scsi_debug
wait_until 60 disk_there
lower=/dev/${disk##*/}
bs=65536
grid_create 8 no_helper_ms:3600000 park_timeout_ms:3600000
found=0 passed=0

# Since 6.8 it can be told what to answer, by host byte and status.
errors=$(echo /sys/kernel/debug/scsi_debug/*:*:*:*/error)
if [ -e "$errors" ]; then
	log "the transport gave up"
	echo "2 1 0x28 0x0f 0 0 0 0 0" > "$errors"
	passes_up 1 "Link has been severed"
	echo "- 2 0x28" > "$errors"

	log "another host has reserved it"
	echo "2 1 0x28 0 0 0x18 0 0 0" > "$errors"
	passes_up 1 "Invalid exchange"
	echo "- 2 0x28" > "$errors"
	assert_eq "$(sum_dev 1)" "$(sum_replica 1)"
fi

log "a medium error, of one sector of block 3"
echo 2 > /sys/bus/pseudo/drivers/scsi_debug/opts
read_background 3 /tmp/out
reader=$REPLY
defer rm -f /tmp/out /tmp/out.status /tmp/out.error
wait_until 60 is waiting 1
wait_until 60 parked 1
assert_eq "$(faults)" "3 "
assert_eq "$(dm_get t0 detected)" 1
echo 0 > /sys/bus/pseudo/drivers/scsi_debug/opts
mend 3
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0
cmp /tmp/out <(block 3)

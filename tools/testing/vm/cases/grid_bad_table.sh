# SPDX-License-Identifier: GPL-2.0
#
# rule: D8 D9 wrong table lines and messages are refused, and say why
# kernels: all
# timeout: 120
# boot: shared
# cpus: 1
load_modules
ram_disk 16
lower=$REPLY
len=$(sectors "$lower")

# bad SENTENCE TABLE
bad()
{
	refused "$1" dmsetup create t0 --noudevsync --table "$2"
	must_fail "Device does not exist" dmsetup info t0 --noheadings -c -o open
}

bad "wants <device>" "0 $len grid $lower 0"
bad "can't open" "0 $len grid /dev/none 0 128"
bad "bad offset" "0 $len grid $lower 0x 128"
bad "power of two" "0 $len grid $lower 0 100"
bad "power of two" "0 $len grid $lower 0 4"
bad "power of two" "0 $len grid $lower 0 4096"
bad "power of two" "0 $len grid $lower 0 -8"
bad "multiple" "0 $((len - 8)) grid $lower 0 128"
bad "too small" "0 $((len + 128)) grid $lower 0 128"
bad "too small" "0 $len grid $lower 128 128"
bad "too small" "0 $len grid $lower 18446744073709551615 128"
bad "unknown option" "0 $len grid $lower 0 128 1 colour:blue"
bad "key:value" "0 $len grid $lower 0 128 1 detect"
bad "bad value" "0 $len grid $lower 0 128 1 detect:perhaps"
bad "bad value" "0 $len grid $lower 0 128 1 park_timeout_ms:3600001"
bad "bad value" "0 $len grid $lower 0 128 1 blocks_max:0"
bad "no such hash" "0 $len grid $lower 0 128 1 checksum:nohash"
bad "key" "0 $len grid $lower 0 128 1 checksum:hmac(sha256)"
bad "number of options" "0 $len grid $lower 0 128 2 detect:on"
bad "more options" "0 $len grid $lower 0 128 1 detect:on start:held"
bad "memory" "0 $len grid $lower 0 128 2 blocks_max:4294967295 tables_max:1"

if [[ $GRID_KERNEL != debug* ]]; then
	log "every option's bounds"
	long=$(printf '%064d' 0)
	for o in on_missing:wait on_missing: park_timeout_ms:-1 park_timeout_ms: \
		no_helper_ms:3600001 no_helper_ms:1x checkpoint:never start:dirty \
		"checksum:" "checksum:$long" blocks_max:4294967296 tables_max:-1 \
		tables_max:4294967296 table_values_max:0 table_values_max:4294967296; do
		bad "bad value \"${o#*:}\"" "0 $len grid $lower 0 128 1 $o"
	done
	for o in park_timeout_ms:0 park_timeout_ms:3600000 no_helper_ms:0 no_helper_ms:3600000 \
		blocks_max:1 tables_max:0 table_values_max:1; do
		dmsetup create t0 --noudevsync --table "0 $len grid $lower 0 128 1 $o"
		assert_match "$(dmsetup table t0)" " $o( |\$)"
		dm_remove t0
	done
fi

log "messages"
dm_create t0 "0 $len grid $lower 0 128"
# What was no message at all the log tells, what is wrong with an option as well.
for m in nonsense enqueue "enqueue x" "enqueue 1 abc" checkpoint set; do
	mark_dmesg
	# shellcheck disable=SC2086
	must_fail "Invalid argument" dmsetup message t0 0 $m
	assert_match "$(marked_dmesg)" "message \"${m%% *}\": unknown, or its arguments"
done
for m in "detect=not key:value" "detect:x=bad value" "blocks_max:5=unknown option" \
	"checkpoint:flush=unknown option"; do
	mark_dmesg
	must_fail "Invalid argument" dmsetup message t0 0 set "${m%%=*}"
	assert_match "$(marked_dmesg)" "${m#*=}"
done
must_fail "No message supplied" dmsetup message t0 0
must_fail "out of range" dmsetup message t0 0 enqueue 256
must_fail "No such file or directory" dmsetup message t0 0 cancel 5
must_fail "not supported" dmsetup message t0 0 checkpoint take
must_fail "not supported" dmsetup message t0 0 checkpoint durable 1
must_fail "Invalid argument" dmsetup message t0 0 ready
dmsetup message t0 0 enqueue 0
dmsetup message t0 0 enqueue 255 00112233445566778899aabbccddeeff
assert_eq "$(dm_get t0 waiting)" 2
dmsetup message t0 0 cancel 0
dmsetup message t0 0 cancel all
nothing_waits() { [ "$(dm_get t0 waiting)" = 0 ]; }
wait_until 10 nothing_waits

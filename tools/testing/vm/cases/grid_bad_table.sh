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

refused()
{
	local want=$1
	shift
	mark_dmesg
	must_fail dmsetup create t0 --noudevsync --table "$*"
	marked_dmesg | grep -i -- "$want" > /dev/null ||
		fail "'$*' was refused, but the log does not say '$want': $(marked_dmesg)"
	must_fail dmsetup info t0 --noheadings -c -o open
}

refused "wants <device>" "0 $len grid $lower 0"
refused "can't open" "0 $len grid /dev/none 0 128"
refused "bad offset" "0 $len grid $lower 0x 128"
refused "power of two" "0 $len grid $lower 0 100"
refused "power of two" "0 $len grid $lower 0 4"
refused "power of two" "0 $len grid $lower 0 4096"
refused "power of two" "0 $len grid $lower 0 -8"
refused "multiple" "0 $((len - 8)) grid $lower 0 128"
refused "too small" "0 $((len + 128)) grid $lower 0 128"
refused "too small" "0 $len grid $lower 128 128"
refused "too small" "0 $len grid $lower 18446744073709551615 128"
refused "unknown option" "0 $len grid $lower 0 128 1 colour:blue"
refused "key:value" "0 $len grid $lower 0 128 1 detect"
refused "bad value" "0 $len grid $lower 0 128 1 detect:perhaps"
refused "bad value" "0 $len grid $lower 0 128 1 park_timeout_ms:3600001"
refused "bad value" "0 $len grid $lower 0 128 1 blocks_max:0"
refused "no such hash" "0 $len grid $lower 0 128 1 checksum:nohash"
refused "key" "0 $len grid $lower 0 128 1 checksum:hmac(sha256)"
refused "number of options" "0 $len grid $lower 0 128 2 detect:on"
refused "more options" "0 $len grid $lower 0 128 1 detect:on start:held"
refused "memory" "0 $len grid $lower 0 128 2 blocks_max:4294967295 tables_max:1"

if [[ $GRID_KERNEL != debug* ]]; then
	log "every option's bounds"
	long=$(printf '%064d' 0)
	for o in on_missing:wait on_missing: park_timeout_ms:-1 park_timeout_ms: \
		no_helper_ms:3600001 no_helper_ms:1x checkpoint:never start:dirty \
		"checksum:" "checksum:$long" blocks_max:4294967296 tables_max:-1 \
		tables_max:4294967296 table_values_max:0 table_values_max:4294967296; do
		refused "bad value \"${o#*:}\"" "0 $len grid $lower 0 128 1 $o"
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
for m in "" "nonsense" "enqueue" "enqueue x" "enqueue 1 abc" "enqueue 256" \
	"cancel 5" "checkpoint" "checkpoint take" "checkpoint durable 1" "ready" \
	"set" "set detect" "set detect:x" "set blocks_max:5" "set checkpoint:flush"; do
	# shellcheck disable=SC2086
	must_fail dmsetup message t0 0 $m
done
dmsetup message t0 0 enqueue 0
dmsetup message t0 0 enqueue 255 00112233445566778899aabbccddeeff
assert_eq "$(dm_get t0 waiting)" 2
dmsetup message t0 0 cancel 0
dmsetup message t0 0 cancel all
nothing_waits() { [ "$(dm_get t0 waiting)" = 0 ]; }
wait_until 10 nothing_waits

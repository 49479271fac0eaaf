# SPDX-License-Identifier: GPL-2.0
#
# rule: D4 6 any hash of the kernel: gridctl, gridrepaird and the target agree on its bytes
# kernels: stock
# timeout: 120
# boot: shared
# cpus: 1
#
# A hash shorter than 16 bytes is padded: crc32c has 4, xxhash64 has 8.
. "$GRID_TOP/tools/testing/vm/repaird.sh"
load_modules

for pair in sha256:sha256sum sha1:sha1sum md5:md5sum blake2b-512:b2sum; do
	hash=${pair%:*}
	head -c 100000 /dev/urandom > /tmp/data
	gridctl manifest /tmp/data --block-size=4K --checksum="$hash" > /tmp/sums
	assert_eq "$(grep -c '^[0-9]' /tmp/sums)" 24
	assert_eq "$(sed -n 's/^23 //p' /tmp/sums)" \
		"$(dd if=/tmp/data bs=4096 skip=23 count=1 status=none | ${pair#*:} | cut -c1-32)" "$hash"
done
printf '\x31\x32\x33\x34\x35\x36\x37\x38\x39' > /tmp/data
must_fail "has 0 blocks of 4096 bytes" gridctl manifest /tmp/data --block-size=4K
truncate -s 4096 /tmp/data
must_fail "nosuchhash" gridctl manifest /tmp/data --block-size=4K --checksum=nosuchhash
rm /tmp/data /tmp/sums

log "the library's and the kernel's own"
modprobe -q algif_hash || :
CMOCKA_MESSAGE_OUTPUT=TAP "$GRID_TOP/tools/testing/tools/build/test_hash" > /tmp/out 2>&1 ||
	fail "$(cat /tmp/out)"
grep -q "^ok .* test_vectors$" /tmp/out || fail "$(cat /tmp/out)"
grep -q "^ok .* test_same$" /tmp/out || fail "$(cat /tmp/out)"
rm /tmp/out

for hash in crc32c xxhash64 sha512; do
	modprobe -q "crypto-$hash" || modprobe -q "${hash}_generic" || :
	log "$hash"
	if ! grep -qx "name *: $hash" /proc/crypto; then
		[ "$hash" != sha512 ] || fail "no sha512"
		log "this kernel has no $hash"
		continue
	fi
	grid_setup 16 65536 "checksum:$hash" no_helper_ms:60000
	# Also where the kernel offers programs none (7.3: crc32c).
	gridctl manifest "$replica" --block-size=64K --checksum="$hash" \
		--output=/tmp/manifest
	lose_all
	repaird --source "$replica"
	gridctl wait t0 --timeout="$(long 60)s"
	stop_repaird
	cmp "$replica" "$dev"
	assert_eq "$(dm_get t0 verify_failed)" 0
	must_fail "has checksums by md5, t0 by $hash" gridctl enqueue t0 --manifest=<(echo "#! checksum md5")
	dm_remove t0
done
rm /tmp/manifest

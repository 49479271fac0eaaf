// SPDX-License-Identifier: GPL-2.0
/*
 * Coverage-guided fuzzing of the loader.  The bytes are a list of patches of
 * an image: what was patched gets a good crc again, or no fuzzer would ever come
 * past it.  Without a fuzzer (REPLAY) it runs the files it is given.
 *
 * A patch is: where (2 bytes: which superblock, snapshot or unit of the log, and
 * a place in it), how many (1 byte), and that many bytes.  Unit N of the log's
 * first 16 begins as a commit that follows the one before it.
 */
#include <linux/crc32c.h>
#include "image.h"

#define LOG_UNITS 16
#define PLACES (4 + LOG_UNITS)

/* What is patched, as it was: the rest of the image stays. */
static u8 begun_with[PLACES][IMAGE_UNIT];
static bool begun;

static u64 base_of(u32 which)
{
	if (which < 2)
		return which * GRID_META_SUPER_SECOND;
	if (which < 4)
		return (256 + 256 * (which - 2)) * IMAGE_UNIT;
	return IMAGE_LOG + (which - 4) * IMAGE_UNIT;
}

static void seal(u8 *p, u32 bytes, u32 at)
{
	u32 crc;

	memset(p + at, 0, 4);
	crc = ~crc32c(~0U, p, bytes);
	memcpy(p + at, &crc, 4);
}

static void begin(void)
{
	struct gmeta_super sb = image_super();
	u32 i;

	sb.snapshot_pieces = 1;
	sb.snapshot_entries = 1;
	gmeta_super_encode(&sb, image);
	gmeta_super_encode(&sb, image + GRID_META_SUPER_SECOND);
	for (i = 2; i < PLACES; i++) {
		struct gmeta_entry e = { .kind = GRID_META_BLOCK,
					 .address = i };
		struct gmeta_head head = { .piece = i < 4 };
		struct gmeta_writer w;

		gmeta_begin(&w, image + base_of(i), IMAGE_UNIT);
		gmeta_add(&w, &e);
		if (i < 4) {
			head.place = 256 + 256 * (i - 2);
		} else {
			head.place = i - 4;
			head.previous = sb.begin_previous + i - 4;
			head.number = head.previous + 1;
		}
		gmeta_end(&w, &sb, &head);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	bool touched[PLACES] = { false };
	u32 i, which, at, n, length;
	struct gmeta_loaded l;
	int r;

	if (!begun) {
		begin();
		for (i = 0; i < PLACES; i++)
			memcpy(begun_with[i], image + base_of(i), IMAGE_UNIT);
		begun = true;
	}
	while (size > 3) {
		which = data[0] % (PLACES);
		at = data[1] * 2;
		/* Some bytes stand far off. */
		if (data[0] >= 200)
			at = 3 * 1024 + data[1] * 4;
		n = data[2] % 64;
		data += 3;
		size -= 3;
		if (n > size)
			n = size;
		memcpy(image + base_of(which) + at, data, n);
		touched[which] = true;
		data += n;
		size -= n;
	}
	for (i = 0; i < PLACES; i++) {
		u8 *p = image + base_of(i);

		if (!touched[i])
			continue;
		if (i < 2) {
			seal(p, GRID_META_SUPER_SIZE, 8);
			continue;
		}
		memcpy(&length, p + 48, 4);
		length = (length + IMAGE_UNIT - 1) & ~(IMAGE_UNIT - 1U);
		if (length && length <= GRID_META_COMMIT_MIN)
			seal(p, length, 4);
	}
	r = gmeta_load(&image_device, &l);
	if (r && r != -ENOMEM && !*l.why) {
		printf("error %d without a reason\n", r);
		abort();
	}
	/* Two loads of the same bytes say the same. */
	if (!r && l.map.count > l.entries)
		abort();
	gmeta_unload(&l);
	for (i = 0; i < PLACES; i++)
		memcpy(image + base_of(i), begun_with[i], IMAGE_UNIT);
	return 0;
}

#include "../user/replay_files.h"

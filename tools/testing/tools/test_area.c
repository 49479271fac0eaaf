// SPDX-License-Identifier: GPL-2.0
/* Was metadata made for this disk?  tools/gridctl/area.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../gridctl/area.h"

struct disk {
	const char *wwid, *partuuid;
	uint64_t sectors;
};

#define SIZE 2048 /* sectors */

static const struct {
	const char *name;
	struct disk then, now;
	bool internal;
	const char *other;
} cases[] = {
	{ "the same", { "w", "p", SIZE }, { "w", "p", SIZE }, false, NULL },
	{ "longer", { "w", "p", SIZE }, { "w", "p", 2 * SIZE }, false, NULL },
	{ "too short", { "w", "p", SIZE }, { "w", "p", 8 }, false, "size" },
	{ "another disk", { "w", "", SIZE }, { "v", "", SIZE }, false, "WWID" },
	{ "moved to another disk",
	  { "w", "p", SIZE },
	  { "v", "p", SIZE },
	  false,
	  "WWID" },
	{ "another partition",
	  { "w", "p", SIZE },
	  { "w", "q", SIZE },
	  false,
	  "PARTUUID" },
	/* A partition has its disk's WWID. */
	{ "the partition's disk",
	  { "w", "p", SIZE },
	  { "w", "", 2 * SIZE },
	  false,
	  "PARTUUID" },
	{ "a partition of the disk",
	  { "w", "", SIZE },
	  { "w", "p", SIZE },
	  false,
	  "PARTUUID" },
	{ "a whole disk", { "w", "", SIZE }, { "w", "", SIZE }, false, NULL },
	{ "internal, in a new partition",
	  { "w", "", SIZE },
	  { "w", "p", SIZE },
	  true,
	  NULL },
	{ "internal, elsewhere",
	  { "w", "", SIZE },
	  { "", "", SIZE },
	  true,
	  NULL },
	{ "a partition, by a way without WWID",
	  { "w", "p", SIZE },
	  { "", "p", SIZE },
	  false,
	  NULL },
	{ "without its name",
	  { "w", "", SIZE },
	  { "", "", SIZE },
	  false,
	  "WWID" },
	{ "without its name, a partition",
	  { "", "p", SIZE },
	  { "", "", SIZE },
	  false,
	  "PARTUUID" },
	{ "never had one", { "", "", SIZE }, { "w", "", SIZE }, false, NULL },
	{ "never had one, and longer",
	  { "", "", SIZE },
	  { "w", "", SIZE + 8 },
	  false,
	  "size" },
};

static struct gmeta_super super(const struct disk *d, bool internal)
{
	struct gmeta_super sb = {
		.flags = internal ? GRID_META_INTERNAL : 0,
		.block_size = 4096,
		.blocks = SIZE / 8,
		.data_sectors = d->sectors,
	};

	strcpy(sb.wwid, d->wwid);
	strcpy(sb.partuuid, d->partuuid);
	return sb;
}

static void test_other(void **state)
{
	struct gmeta_super then, now;
	const char *other, *want;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		then = super(&cases[i].then, cases[i].internal);
		now = super(&cases[i].now, false);
		other = area_other(&then, &now) ?: "nothing";
		want = cases[i].other ?: "nothing";
		if (!strcmp(other, want))
			continue;
		fail_msg("%s: %s differs, wanted %s", cases[i].name, other,
			 want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other),
	};

	return cmocka_run_group_tests_name("area", tests, NULL, NULL);
}

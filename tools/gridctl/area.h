/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gridctl: a metadata area on a device or in a file, offline.
 *
 * What is on it kmod/target/meta_*.c know, which are linked into gridctl.
 */
#ifndef AREA_H
#define AREA_H

#include "../../kmod/target/meta.h"
#include "ctl.h"

/**
 * struct area - an open area
 * @path: as the user called it
 * @start: where it begins, bytes
 * @bytes: from there to the device's end
 * @physical: the device's physical block
 * @dev: for gmeta_load()
 */
struct area {
	const char *path;
	int fd;
	uint64_t start, bytes;
	unsigned int physical;
	struct gmeta_device dev;
};

/* --metadata-start as bytes (0 when not given); false: it was wrong, which has been said. */
bool area_start(const struct ctl *ctl, uint64_t *start);
/* CTL_GOOD or an exit code, which has been said.  @write wants it for itself. */
int area_open(const struct ctl *ctl, struct area *a, const char *path,
	      uint64_t start, bool write);
void area_close(struct area *a);

/* 0 or a negative errno. */
int area_write(struct area *a, uint64_t from, const void *buf, size_t bytes);
/* Both superblocks, one after the other, each durable; the sequence goes up. */
int area_write_super(struct area *a, struct gmeta_super *sb);
/*
 * A snapshot of @map where the newest one is not, and the superblocks that
 * name it; the log begins anew, above @highest.
 */
int area_write_map(struct area *a, struct gmeta_super *sb,
		   const struct gmeta_map *map, uint64_t highest);

/* What identifies the data device @path: its size, WWID and PARTUUID. */
int area_identify(const struct ctl *ctl, const char *path,
		  struct gmeta_super *sb);
/*
 * What tells that @sb was not made for the data device that is @now, or NULL.  What
 * had a name must have it still; what had none must be as long as it was.  A disk and
 * its partition are not the same.
 */
const char *area_other(const struct gmeta_super *sb,
		       const struct gmeta_super *now);

#define AREA_UUID_TEXT 37
char *area_uuid(const uint8_t uuid[16], char text[AREA_UUID_TEXT]);

#endif /* AREA_H */

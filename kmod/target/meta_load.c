// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata: what is on the device (M1).
 *
 * The newer superblock; the snapshot it names; then the log, from where the
 * snapshot begins to the first commit that doesn't follow its predecessor.
 * That is the end, if the superblock's `reach` has been come to and no good
 * commit with a higher number lies anywhere in the log: only one commit is
 * ever under way, and no number is ever used twice, so such a one tells that
 * its predecessor was there.  Anything else, and any error of reading where a
 * commit may be, is damage, never taken for the end.
 *
 * Pure; see meta.h.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "alloc.h"
#include "meta.h"

/* The free part of the log is read in pieces of this size. */
#ifndef GMETA_SCAN
#define GMETA_SCAN (1024 * 1024)
#endif

/**
 * struct gmeta_load - a load under way
 * @dev: the area
 * @l: what was found so far
 * @buf: for the longest commit or piece
 * @scan: GMETA_SCAN bytes
 */
struct gmeta_load {
	const struct gmeta_device *dev;
	struct gmeta_loaded *l;
	u8 *buf;
	u8 *scan;
};

/*
 * Superblocks
 */

/* How much an error of a superblock tells. */
static int gmeta_weight(int r)
{
	switch (r) {
	case -EOPNOTSUPP:
		/* A newer program was about to write both. */
		return 5;
	case 0:
		return 4;
	case -ENOSPC:
		return 3;
	case -EUCLEAN:
		return 2;
	case -ENODATA:
		return 0;
	}
	return 1;
}

/**
 * gmeta_load_super - the superblock, of which there are two
 * @dev: the area
 * @l: out: @super, @super_good, @super_same, @why
 *
 * Context: may sleep.
 * Return: 0; -ENODATA: blank, or something else; -EUCLEAN: damaged;
 * -EOPNOTSUPP: newer than this program; -ENOSPC: the area is cut short;
 * -ENOMEM; or what reading says.
 */
int gmeta_load_super(const struct gmeta_device *dev, struct gmeta_loaded *l)
{
	static const u64 places[2] = { 0, GRID_META_SUPER_SECOND };
	struct gmeta_super *sb;
	char why[2][GMETA_WHY];
	int r[2], which, i;
	u8 *blocks;

	memset(l, 0, sizeof(*l));
	if (dev->bytes < GRID_META_HEAD) {
		gmeta_say(l->why, "too small for grid metadata: %llu bytes",
			  (unsigned long long)dev->bytes);
		return -ENODATA;
	}
	blocks = grid_alloc_named(2 * (GRID_META_SUPER_SIZE + sizeof(*sb)));
	if (!blocks)
		return -ENOMEM;
	sb = (void *)(blocks + 2 * GRID_META_SUPER_SIZE);
	for (i = 0; i < 2; i++) {
		u8 *block = blocks + i * GRID_META_SUPER_SIZE;

		r[i] = dev->read(dev->priv, places[i], block,
				 GRID_META_SUPER_SIZE);
		if (r[i])
			gmeta_say(why[i], "unreadable (error %d)", -r[i]);
		else
			r[i] = gmeta_super_decode(block, dev->bytes, &sb[i],
						  why[i]);
		l->super_good[i] = !r[i];
	}
	which = gmeta_weight(r[1]) > gmeta_weight(r[0]);
	if (!r[0] && !r[1]) {
		which = sb[1].sequence > sb[0].sequence;
		l->super_same = !memcmp(blocks, blocks + GRID_META_SUPER_SIZE,
					GRID_META_SUPER_SIZE);
		if (memcmp(sb[0].uuid, sb[1].uuid, sizeof(sb[0].uuid)) ||
		    (!l->super_same && sb[0].sequence == sb[1].sequence)) {
			gmeta_say(l->why,
				  "its two superblocks contradict each other");
			vfree(blocks);
			return -EUCLEAN;
		}
	} else if (r[which]) {
		gmeta_say(l->why, "superblock at byte %llu: %.140s",
			  (unsigned long long)places[which], why[which]);
	}
	l->super = sb[which];
	vfree(blocks);
	return r[which];
}

/*
 * Commits and pieces
 */

/* Damage that stops the load: what came before it stands. */
static int gmeta_damage(struct gmeta_loaded *l)
{
	l->damaged = true;
	return -EUCLEAN;
}

/*
 * Read what lies at @unit, where there is room for @room units, and may be a
 * commit or a piece.  1; 0: none is there; -EUCLEAN: it can't be read; -EINTR.
 */
static int gmeta_read(struct gmeta_load *m, u64 unit, u64 room, u8 *buf,
		      struct gmeta_head *head)
{
	const struct gmeta_super *sb = &m->l->super;
	u64 from = unit * sb->unit_size;
	u32 bytes;
	int r;

	r = m->dev->read(m->dev->priv, from, buf, sb->unit_size);
	if (r)
		goto unreadable;
	if (gmeta_head_decode(buf, sb, head))
		return 0;
	bytes = gmeta_padded(sb, head->length);
	if (bytes / sb->unit_size > room)
		return 0;
	if (bytes > sb->unit_size) {
		r = m->dev->read(m->dev->priv, from + sb->unit_size,
				 buf + sb->unit_size, bytes - sb->unit_size);
		if (r)
			goto unreadable;
	}
	return gmeta_crc_good(buf, bytes);

unreadable:
	if (r == -EINTR)
		return r;
	gmeta_say(m->l->why, "can't read at byte %llu (error %d)",
		  (unsigned long long)from, -r);
	return gmeta_damage(m->l);
}

/* Apply what is in @m->buf. */
static int gmeta_apply(struct gmeta_load *m, const struct gmeta_head *head,
		       u64 unit)
{
	const struct gmeta_super *sb = &m->l->super;
	struct gmeta_entry e = {};
	char why[GMETA_WHY];
	u32 at = 0, n = 0;
	int r;

	/* First all of it, so that a commit counts whole or not at all. */
	while ((r = gmeta_next(sb, head, m->buf, &at, &e, why)) > 0) {
		n++;
		if (head->piece && e.kind < GRID_META_BLOCK) {
			gmeta_say(why, "a run in a snapshot");
			r = -EUCLEAN;
			break;
		}
	}
	if (!r && n != head->count) {
		gmeta_say(why, "%u entries instead of %u", n, head->count);
		r = -EUCLEAN;
	}
	if (r) {
		gmeta_say(m->l->why, "%s %llu at byte %llu: %.100s",
			  head->piece ? "snapshot" : "commit",
			  (unsigned long long)head->number,
			  (unsigned long long)(unit * sb->unit_size), why);
		return gmeta_damage(m->l);
	}
	at = 0;
	e.more = false;
	while (gmeta_next(sb, head, m->buf, &at, &e, NULL) > 0) {
		r = gmeta_map_apply(&m->l->map, &e);
		if (r == -EINTR)
			return r;
		if (r) {
			gmeta_say(
				m->l->why,
				"no memory for more than %llu records: load it with the maxima that it had",
				(unsigned long long)m->l->map.count);
			return r;
		}
		if (m->dev->seen)
			m->dev->seen(m->dev->priv, head, &e);
		r = ++m->l->entries % 4096 ? 0 : gmeta_breathe();
		if (r)
			return r;
	}
	return 0;
}

static int gmeta_load_snapshot(struct gmeta_load *m)
{
	const struct gmeta_super *sb = &m->l->super;
	u64 unit = sb->snapshot_place[sb->snapshot_which];
	u64 room = sb->snapshot_units;
	struct gmeta_head head;
	u32 i, units;
	int r;

	for (i = 0; i < sb->snapshot_pieces; i++) {
		r = room ? gmeta_read(m, unit, room, m->buf, &head) : 0;
		if (r < 0)
			return r;
		if (!r || !head.piece || head.number != sb->snapshot ||
		    head.previous != i || head.place != unit) {
			gmeta_say(
				m->l->why,
				"piece %u of snapshot %llu, at byte %llu, is damaged",
				i, (unsigned long long)sb->snapshot,
				(unsigned long long)(unit * sb->unit_size));
			return gmeta_damage(m->l);
		}
		r = gmeta_apply(m, &head, unit);
		if (r)
			return r;
		units = gmeta_padded(sb, head.length) / sb->unit_size;
		unit += units;
		room -= units;
	}
	if (m->l->entries != sb->snapshot_entries) {
		gmeta_say(m->l->why,
			  "snapshot %llu has %llu entries instead of %llu",
			  (unsigned long long)sb->snapshot,
			  (unsigned long long)m->l->entries,
			  (unsigned long long)sb->snapshot_entries);
		return gmeta_damage(m->l);
	}
	return 0;
}

/* The commit at @unit of the log, if it follows the last one: 1, 0, -EUCLEAN. */
static int gmeta_follows(struct gmeta_load *m, u64 unit,
			 struct gmeta_head *head)
{
	const struct gmeta_super *sb = &m->l->super;
	int r = gmeta_read(m, sb->log_place + unit, sb->log_units - unit,
			   m->buf, head);

	if (r <= 0)
		return r;
	return !head->piece && head->place == unit &&
	       head->previous == m->l->last && head->number > m->l->last;
}

static int gmeta_load_log(struct gmeta_load *m)
{
	struct gmeta_loaded *l = m->l;
	const struct gmeta_super *sb = &l->super;
	struct gmeta_head head;
	u64 unit, units, longest = sb->commit_max / sb->unit_size;
	int r;

	l->last = sb->begin_previous;
	l->highest = l->last;
	l->next_unit = sb->begin_unit;
	for (;;) {
		unit = l->next_unit;
		r = gmeta_follows(m, unit, &head);
		/* What doesn't fit before the end of the log is at its start. */
		if (!r && sb->log_units - unit < longest) {
			unit = 0;
			r = gmeta_follows(m, unit, &head);
		}
		if (r <= 0)
			return r;
		r = gmeta_apply(m, &head, sb->log_place + unit);
		if (r)
			return r;
		units = gmeta_padded(sb, head.length) / sb->unit_size;
		l->used_units += units;
		if (unit != l->next_unit)
			l->used_units += sb->log_units - l->next_unit;
		l->next_unit = (unit + units) % sb->log_units;
		l->last = head.number;
		l->highest = head.number;
		l->commits++;
	}
}

/* A good commit beyond the end tells that the end is none. */
static int gmeta_look_beyond(struct gmeta_load *m, u64 unit, const u8 *buf)
{
	struct gmeta_loaded *l = m->l;
	const struct gmeta_super *sb = &l->super;
	struct gmeta_head head;
	int r;

	if (gmeta_head_decode(buf, sb, &head) || head.piece ||
	    head.place != unit || head.number <= l->highest)
		return 0;
	r = gmeta_read(m, sb->log_place + unit, sb->log_units - unit, m->buf,
		       &head);
	if (r <= 0)
		return r;
	if (head.number <= l->highest)
		return 0;
	l->highest = head.number;
	gmeta_say(
		l->why,
		"the log ends after commit %llu, where byte %llu should hold the next one, but commit %llu at byte %llu is good",
		(unsigned long long)l->last,
		(unsigned long long)((sb->log_place + l->next_unit) *
				     sb->unit_size),
		(unsigned long long)head.number,
		(unsigned long long)((sb->log_place + unit) * sb->unit_size));
	l->damaged = true;
	return 0;
}

/* All of the log is looked at, also for the highest number. */
static int gmeta_scan(struct gmeta_load *m)
{
	struct gmeta_loaded *l = m->l;
	const struct gmeta_super *sb = &l->super;
	u64 at, n, i, most = GMETA_SCAN / sb->unit_size;
	int r;

	for (at = 0; at < sb->log_units; at += n) {
		n = min(most, sb->log_units - at);
		r = m->dev->read(m->dev->priv,
				 (sb->log_place + at) * sb->unit_size, m->scan,
				 n * sb->unit_size);
		if (r && n > 1) {
			/* Unit by unit around what can't be read. */
			most = 1;
			n = 0;
			continue;
		}
		if (r == -EINTR)
			return r;
		if (r) {
			l->unreadable++;
			continue;
		}
		for (i = 0; i < n; i++) {
			r = gmeta_look_beyond(m, at + i,
					      m->scan + i * sb->unit_size);
			if (r)
				return r;
		}
	}
	return l->damaged ? -EUCLEAN : 0;
}

/**
 * gmeta_load_map - what is missing, by a superblock that was loaded and looked at
 * @dev: the area
 * @l: in: from gmeta_load_super(); out: all the rest; gmeta_unload() it, whatever is
 *	returned
 *
 * The superblock is not read again: a device may say something else the second time.
 *
 * Context: may sleep.
 * Return: as gmeta_load().
 */
int gmeta_load_map(const struct gmeta_device *dev, struct gmeta_loaded *l)
{
	struct gmeta_load m = { .dev = dev, .l = l };
	const struct gmeta_super *sb = &l->super;
	char why[GMETA_WHY];
	int r = -ENOMEM, beyond;

	m.buf = grid_alloc_named(
		max_t(u32, sb->commit_max, GRID_META_PIECE_MAX));
	m.scan = grid_alloc_named(GMETA_SCAN);
	if (!m.buf || !m.scan || gmeta_map_init(&l->map, sb)) {
		gmeta_say(l->why, "no memory");
		goto out;
	}
	l->map.cells_max = dev->cells_max;
	if (dev->seed)
		l->map.multiplier = dev->seed | 1;
	r = gmeta_load_snapshot(&m);
	if (!r)
		r = gmeta_load_log(&m);
	if (r) {
		/* For who mends it: above which numbers there is nothing. */
		memcpy(why, l->why, sizeof(why));
		beyond = l->damaged ? gmeta_scan(&m) : 0;
		memcpy(l->why, why, sizeof(why));
		if (beyond == -ENOMEM)
			r = beyond;
		goto out;
	}
	r = gmeta_scan(&m);
	if (r)
		goto out;
	if (max(l->highest, sb->floor) >
		    GMETA_NUMBERS / 2 - GRID_META_SESSION ||
	    sb->snapshot >= GMETA_NUMBERS / 2) {
		gmeta_say(l->why,
			  "impossible number: commit %llu, snapshot %llu",
			  (unsigned long long)l->highest,
			  (unsigned long long)sb->snapshot);
		r = gmeta_damage(l);
		goto out;
	}
	if (l->last < sb->reach) {
		gmeta_say(
			l->why,
			"the log ends after commit %llu; commit %llu had been written",
			(unsigned long long)l->last,
			(unsigned long long)sb->reach);
		r = gmeta_damage(l);
		goto out;
	}
	r = gmeta_map_check(&l->map, sb, l->why);
	if (r == -EUCLEAN)
		gmeta_damage(l);
out:
	vfree(m.scan);
	vfree(m.buf);
	return r;
}

/**
 * gmeta_load - what is missing
 * @dev: the area
 * @l: out; gmeta_unload() afterwards, also after an error
 *
 * With -EUCLEAN and @l->damaged, @l->map is as it was just before the damage:
 * a state that was, but an older one, and nobody may rely on it.
 *
 * Context: may sleep; reads all of the log and of one snapshot.
 * Return: 0; as gmeta_load_super(); -EUCLEAN: damaged, @l->why says where;
 * -ENOSPC: more records than the maxima; -ENOMEM; -EINTR: a fatal signal.
 */
int gmeta_load(const struct gmeta_device *dev, struct gmeta_loaded *l)
{
	return gmeta_load_super(dev, l) ?: gmeta_load_map(dev, l);
}

void gmeta_unload(struct gmeta_loaded *l)
{
	gmeta_map_exit(&l->map);
}

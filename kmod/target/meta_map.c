// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata: what is missing, as plain dictionaries.
 *
 * Entries are absolute (M1): applying one says how its block or table stands,
 * whatever was there before, so the last one wins and a replay may meet
 * anything in between.  Only at the end must it all fit together.
 *
 * Faults are in a hash table with linear probing, which grows; tables in an
 * array.  Its hash is multiply-shift (Dietzfelbinger and others, 1997) with a
 * random multiplier, or who makes an image could make all its blocks meet in one
 * cell.  A run of good blocks costs as many steps as it has blocks or the table
 * has cells, whichever is less.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "alloc.h"
#include "meta.h"

#define GMETA_BITS_MIN 10
/* 2^64 divided by the golden ratio: neighbours end up far from each other (Knuth). */
#define GMETA_MULTIPLIER 0x9e3779b97f4a7c15ULL

static void *gmeta_alloc(u64 n, size_t size)
{
	if (n > (u64)LONG_MAX / size)
		return NULL;
	return grid_alloc_named(n * size);
}

/**
 * gmeta_map_init - nothing is missing
 * @map: out
 * @sb: its limits
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int gmeta_map_init(struct gmeta_map *map, const struct gmeta_super *sb)
{
	memset(map, 0, sizeof(*map));
	map->tables_max = sb->tables_max;
	map->bits = GMETA_BITS_MIN;
	map->cells = 1ULL << map->bits;
	map->multiplier = GMETA_MULTIPLIER;
	map->faults = gmeta_alloc(map->cells, sizeof(*map->faults));
	/* One more, so that none is no special case. */
	map->tables = gmeta_alloc(sb->tables_max + 1ULL, sizeof(*map->tables));
	if (map->faults && map->tables)
		return 0;
	gmeta_map_exit(map);
	return -ENOMEM;
}

void gmeta_map_exit(struct gmeta_map *map)
{
	vfree(map->faults);
	vfree(map->tables);
	memset(map, 0, sizeof(*map));
}

static u64 gmeta_cell(const struct gmeta_map *map, u64 address)
{
	return address * map->multiplier >> (64 - map->bits);
}

/* The cell of the fault at @address, or the unused one where it belongs. */
static struct gmeta_fault *gmeta_lookup(const struct gmeta_map *map,
					u64 address)
{
	u64 i = gmeta_cell(map, address);

	while (map->faults[i].kind && map->faults[i].address != address)
		i = (i + 1) & (map->cells - 1);
	return &map->faults[i];
}

/** gmeta_map_find - the fault at @address, or NULL */
const struct gmeta_fault *gmeta_map_find(const struct gmeta_map *map,
					 u64 address)
{
	const struct gmeta_fault *f = gmeta_lookup(map, address);

	return f->kind ? f : NULL;
}

static int gmeta_grow(struct gmeta_map *map)
{
	struct gmeta_map wide = *map;
	u64 i;

	if (map->cells_max && map->cells * 2 > map->cells_max)
		return -ENOMEM;
	wide.bits++;
	wide.cells *= 2;
	wide.faults = gmeta_alloc(wide.cells, sizeof(*wide.faults));
	if (!wide.faults)
		return -ENOMEM;
	for (i = 0; i < map->cells; i++) {
		if (map->faults[i].kind)
			*gmeta_lookup(&wide, map->faults[i].address) =
				map->faults[i];
		if (!(i % 4096))
			cond_resched();
	}
	vfree(map->faults);
	*map = wide;
	return 0;
}

/* The cell at @i is free: move those back that were pushed past it. */
static void gmeta_remove(struct gmeta_map *map, u64 i)
{
	u64 mask = map->cells - 1, hole = i, home;

	if (map->faults[i].kind != GRID_META_BLOCK)
		map->tables[map->faults[i].table].members--;
	map->count--;
	for (;;) {
		map->faults[hole].kind = 0;
		do {
			i = (i + 1) & mask;
			if (!map->faults[i].kind)
				return;
			home = gmeta_cell(map, map->faults[i].address);
			/* Leave what is between the hole and its home. */
		} while (((i - home) & mask) < ((i - hole) & mask));
		map->faults[hole] = map->faults[i];
		hole = i;
	}
}

static int gmeta_drop_run(struct gmeta_map *map, u64 first, u64 count)
{
	struct gmeta_fault *f;
	int r = 0;
	u64 i;

	if (count <= map->cells) {
		for (; !r && map->count && count; count--, first++) {
			f = gmeta_lookup(map, first);
			if (f->kind)
				gmeta_remove(map, f - map->faults);
			if (!(count % 4096))
				r = gmeta_breathe();
		}
		return r;
	}
	/* A removal moves nothing to before where it was. */
	for (i = 0; !r && map->count && i < map->cells;) {
		f = &map->faults[i];
		if (f->kind && f->address - first < count)
			gmeta_remove(map, i);
		else if (!(++i % 4096))
			r = gmeta_breathe();
	}
	return r;
}

static int gmeta_put(struct gmeta_map *map, const struct gmeta_entry *e)
{
	struct gmeta_fault *f = gmeta_lookup(map, e->address);
	int r;

	if (!f->kind) {
		if (map->count >= map->cells / 4 * 3) {
			r = gmeta_grow(map);
			if (r)
				return r;
			f = gmeta_lookup(map, e->address);
		}
		map->count++;
	} else if (f->kind != GRID_META_BLOCK) {
		map->tables[f->table].members--;
	}
	if (e->kind != GRID_META_BLOCK)
		map->tables[e->table].members++;
	f->address = e->address;
	f->kind = e->kind;
	f->has_sum = e->has_sum;
	memcpy(f->sum, e->sum, sizeof(f->sum));
	f->table = e->table;
	f->value = e->value;
	return 0;
}

/*
 * Slot @s is free, but a cancel of its table was cut short (by a crash), and the load
 * after that made single blocks of what it had not reached; no entry said so.
 */
static int gmeta_free_members(struct gmeta_map *map, u32 s)
{
	struct gmeta_fault *f;
	int r = 0;
	u64 i;

	for (i = 0; !r && map->tables[s].members && i < map->cells; i++) {
		f = &map->faults[i];
		if (f->kind && f->kind != GRID_META_BLOCK && f->table == s) {
			f->kind = GRID_META_BLOCK;
			f->table = 0;
			f->value = 0;
			map->tables[s].members--;
		}
		if (!(i % 4096))
			r = gmeta_breathe();
	}
	return r;
}

/**
 * gmeta_map_apply - one entry
 * @map: the map
 * @e: from gmeta_next(), so within the limits
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM; -EINTR: a fatal signal.
 */
int gmeta_map_apply(struct gmeta_map *map, const struct gmeta_entry *e)
{
	struct gmeta_table *t;
	int r;

	switch (e->kind) {
	case GRID_META_GOOD:
		return gmeta_drop_run(map, e->address, e->count);
	case GRID_META_BLOCK:
	case GRID_META_INDEX:
	case GRID_META_VALUE:
		return gmeta_put(map, e);
	}
	t = &map->tables[e->table];
	if (e->kind == GRID_META_FREE) {
		r = gmeta_free_members(map, e->table);
		if (r)
			return r;
	}
	t->lost = e->kind == GRID_META_PARTIAL;
	t->kind = e->kind == GRID_META_FREE ? 0 :
		  t->lost		    ? GRID_META_FILLING :
					      e->kind;
	t->address = e->address;
	t->has_sum = e->has_sum;
	memcpy(t->sum, e->sum, sizeof(t->sum));
	t->values = e->value;
	return 0;
}

/*
 * The check at the end
 */

static bool gmeta_is_active(const struct gmeta_table *t)
{
	return t->kind == GRID_META_INDEXING || t->kind == GRID_META_FILLING;
}

/*
 * Count the members of each table; each value is there once at most.  What a
 * cancel had not reached when it was cut short is missing, but no member.
 */
static int gmeta_check_members(struct gmeta_map *map, u64 *single, char *why)
{
	u64 *first, bits = 0, bit, i;
	struct gmeta_fault *f;
	struct gmeta_table *t;
	u8 *seen = NULL;
	u32 s;

	first = gmeta_alloc(map->tables_max + 1ULL, sizeof(*first));
	if (!first)
		return -ENOMEM;
	for (s = 0; s < map->tables_max; s++) {
		map->tables[s].left = 0;
		first[s] = bits;
		bits += map->tables[s].kind == GRID_META_FILLING ?
				map->tables[s].values :
				0;
	}
	seen = gmeta_alloc(bits / 8 + 1, 1);
	if (!seen) {
		vfree(first);
		return -ENOMEM;
	}
	for (i = 0; i < map->cells; i++) {
		f = &map->faults[i];
		if (!(i % 4096))
			cond_resched();
		if (!f->kind)
			continue;
		if (f->kind == GRID_META_BLOCK) {
			++*single;
			continue;
		}
		t = &map->tables[f->table];
		if (t->kind == GRID_META_CANCELLED) {
			t->members--;
			f->kind = GRID_META_BLOCK;
			f->table = 0;
			f->value = 0;
			continue;
		}
		if (f->kind == GRID_META_INDEX) {
			if (t->kind != GRID_META_INDEXING ||
			    t->address != f->address || t->left++)
				goto bad;
			continue;
		}
		if (t->kind != GRID_META_FILLING || f->value >= t->values)
			goto bad;
		bit = first[f->table] + f->value;
		if (seen[bit / 8] & 1 << bit % 8)
			goto bad;
		seen[bit / 8] |= 1 << bit % 8;
		t->left++;
	}
	vfree(seen);
	vfree(first);
	return 0;

bad:
	gmeta_say(why,
		  "block %llu is said to be %s of table %u, which doesn't fit",
		  (unsigned long long)f->address,
		  f->kind == GRID_META_INDEX ? "the index" : "a value",
		  f->table);
	vfree(seen);
	vfree(first);
	return -EUCLEAN;
}

/* No two active tables have the same index block, and none is empty. */
static int gmeta_check_tables(const struct gmeta_map *map, char *why)
{
	struct gmeta_super none = {};
	const struct gmeta_table *t;
	struct gmeta_map indexes;
	u32 s;
	int r;

	r = gmeta_map_init(&indexes, &none);
	if (r)
		return r;
	indexes.multiplier = map->multiplier;
	for (s = 0; !r && s < map->tables_max; s++) {
		/* By address; that of a table's block is told by its number. */
		struct gmeta_entry e = { .kind = GRID_META_BLOCK, .table = s };

		t = &map->tables[s];
		if (!gmeta_is_active(t))
			continue;
		e.address = t->address;
		if (!t->left) {
			gmeta_say(why, "table %u has nothing left to repair",
				  s);
			r = -EUCLEAN;
		} else if (gmeta_map_find(&indexes, t->address)) {
			gmeta_say(
				why,
				"tables %u and %u have the same index block %llu",
				gmeta_map_find(&indexes, t->address)->table, s,
				(unsigned long long)t->address);
			r = -EUCLEAN;
		} else {
			r = gmeta_put(&indexes, &e);
		}
		if (!r && !(s % 4096))
			r = gmeta_breathe();
	}
	gmeta_map_exit(&indexes);
	return r;
}

/**
 * gmeta_map_check - does it all fit together, and within the limits
 * @map: the map; its tables' @left are set
 * @sb: superblock
 * @why: out: what is wrong; may be NULL
 *
 * Context: may sleep.
 * Return: 0; -EUCLEAN; -ENOSPC: more than the maxima; -ENOMEM.
 */
int gmeta_map_check(struct gmeta_map *map, const struct gmeta_super *sb,
		    char *why)
{
	u64 single = 0;
	int r;

	r = gmeta_check_members(map, &single, why);
	if (!r)
		r = gmeta_check_tables(map, why);
	if (r)
		return r;
	/*
	 * More than blocks_max may be: what a cancel had not reached, and what is lost
	 * (M2), was not enqueued as single blocks.  A snapshot has room for so many.
	 */
	if (map->count > gmeta_records_max(sb)) {
		gmeta_say(
			why,
			"%llu blocks are missing (%llu of no table), more than the maxima allow (%llu)",
			(unsigned long long)map->count,
			(unsigned long long)single,
			(unsigned long long)gmeta_records_max(sb));
		return -ENOSPC;
	}
	return 0;
}

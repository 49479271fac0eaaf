/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What meta_open.c, meta_io.c, meta_wait.c and meta_change.c share: the metadata of a
 * grid that is there.
 */
#ifndef _GRID_META_IO_H
#define _GRID_META_IO_H

#include <linux/hashtable.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "grid.h"
#include "meta.h"

#define GRID_META_HASH_BITS 8

/**
 * struct grid_meta - where the map of a grid is kept
 * @g: the grid
 * @bdev: the metadata device; that of the live table
 * @start: of the area, sectors
 * @sectors: of the area
 * @log: the engine; the lock
 * @wq: for @work and @tick alone; waits for the two devices
 * @work: does what the log wants done
 * @tick: wants a commit when nobody waits for one
 * @ticking: it is going to
 * @took: how long the last commit took, jiffies
 * @began: when the one under way began
 * @wait: who waits for room or for a commit
 * @flushes: flushes of applications that wait for a commit (the lock)
 * @writes: FUA writes that do (the lock)
 * @looked: those that wait no more, until they have been looked at (the lock)
 * @hash: what is on these two, by its first block, by so many as it has at most
 * @starved: writes that have ended and find no room in the log (the lock)
 * @write_done: ends one of these as its status says; looks at it once more
 * @promised: room in the log that is kept for who has asked (the lock)
 * @ending: the block that a write is making good, as it was; its kind 0 for none
 * @ending_durable: ... one with FUA
 * @reviving: the block whose record is in the log already, or GRID_NO_BLOCK
 * @fill_table: next table slot of the snapshot
 * @fill_cursor: next fault
 * @fill_aside: next block that a sync jump took, or that is lost
 * @was_failed: ... is what was told last
 */
struct grid_meta {
	struct grid *g;
	struct block_device *bdev;
	sector_t start;
	sector_t sectors;
	struct gmeta_log log;
	struct workqueue_struct *wq;
	struct work_struct work;
	struct delayed_work tick;
	bool ticking;
	unsigned long took, began;
	wait_queue_head_t wait;
	struct list_head flushes;
	struct list_head writes;
	struct list_head looked;
	DECLARE_HASHTABLE(hash, GRID_META_HASH_BITS);
	struct list_head starved;
	void (*write_done)(struct grid *g, struct grid_io *io);
	u32 promised;
	struct grid_missing_record ending;
	bool ending_durable;
	u64 reviving;
	u32 fill_table;
	u64 fill_cursor;
	u64 fill_aside;
	bool was_failed;
};

/* meta_change.c */
void __grid_meta_kick(struct grid_meta *m);
void __grid_meta_tick(struct grid_meta *m);
bool __grid_meta_can_end(struct grid_meta *m);
void __grid_meta_again(void *priv, const struct gmeta_end *end);
void grid_meta_entry(const struct grid_missing_record *r,
		     struct gmeta_entry *e);
bool grid_meta_table_entry(u32 slot, const struct grid_missing_record_table *r,
			   struct gmeta_entry *e);

/* meta_wait.c */
void __grid_meta_collect(struct grid_meta *m, struct list_head *list,
			 struct list_head *done);
void grid_meta_end_all(struct grid *g, struct list_head *flushes,
		       struct list_head *starved);

/* meta_io.c */
int grid_meta_rw(struct grid *g, struct block_device *bdev, blk_opf_t opf,
		 sector_t sector, void *buf, u32 bytes);
int grid_meta_start(struct grid_meta *m, const char *name);
void grid_meta_stop(struct grid_meta *m);

#endif /* _GRID_META_IO_H */

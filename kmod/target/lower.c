// SPDX-License-Identifier: GPL-2.0
/*
 * Whole blocks to and from the lower device: repairs, and the re-reads of
 * detection.  These bios travel below the target, so that they can't park.
 *
 * They belong to the root cgroup: flushes and writers of everybody wait for
 * them, and io.max of the helper must not hold those.
 */
#include <linux/blk-cgroup.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "grid.h"

/** struct grid_batch - writes that are waited for together */
struct grid_batch {
	atomic_t pending;
	struct completion done;
};

/**
 * grid_kernel_bio - a bio of ours over kernel memory, the root cgroup's
 * @g: the grid; the bio is from its pool
 * @bdev: the device
 * @opf: operation and flags
 * @sector: where on @bdev
 * @data: from kmalloc(), vmalloc() or pages
 * @bytes: of it: no more than BIO_MAX_VECS pages
 *
 * Context: process; waits for a bio of the pool at most.
 */
struct bio *grid_kernel_bio(struct grid *g, struct block_device *bdev,
			    blk_opf_t opf, sector_t sector, void *data,
			    unsigned int bytes)
{
	unsigned int vecs =
		DIV_ROUND_UP(offset_in_page(data) + bytes, PAGE_SIZE);
	struct bio *bio;

	bio = bio_alloc_bioset(bdev, vecs, opf, GFP_NOIO, &g->bios);
	bio_associate_blkg_from_css(bio, blkcg_root_css);
	bio->bi_iter.bi_sector = sector;
	while (bytes) {
		unsigned int n = min_t(unsigned int, bytes,
				       PAGE_SIZE - offset_in_page(data));
		struct page *page = is_vmalloc_addr(data) ?
					    vmalloc_to_page(data) :
					    virt_to_page(data);

		__bio_add_page(bio, page, n, offset_in_page(data));
		data += n;
		bytes -= n;
	}
	return bio;
}

static struct bio *grid_block_bio(struct grid_table *t, blk_opf_t opf, u64 b,
				  void *data)
{
	struct grid *g = t->grid;

	return grid_kernel_bio(g, t->dev->bdev, opf,
			       grid_lower_sector(t, b << g->block_shift), data,
			       g->geo.block_size);
}

/**
 * grid_read_block - read one block from the lower device, past everything
 * @t: the table
 * @b: the block
 * @buf: for one block, page-aligned
 *
 * Context: process; sleeps as long as the lower device takes.
 * Return: its status.
 */
blk_status_t grid_read_block(struct grid_table *t, u64 b, void *buf)
{
	struct bio *bio = grid_block_bio(t, REQ_OP_READ, b, buf);
	blk_status_t status;

	submit_bio_wait(bio);
	status = bio->bi_status;
	bio_put(bio);
	if (is_vmalloc_addr(buf))
		invalidate_kernel_vmap_range(buf, t->grid->geo.block_size);
	return status;
}

static void grid_batch_put(struct grid_batch *batch)
{
	if (atomic_dec_and_test(&batch->pending))
		complete(&batch->done);
}

static void grid_write_end(struct bio *bio)
{
	struct grid_bio *gb = container_of(bio, struct grid_bio, bio);
	struct grid_batch *batch = gb->batch;

	if (bio->bi_status)
		gb->item->result = -EIO;
	/* First: whoever is released may free the pool it comes from. */
	bio_put(bio);
	grid_batch_put(batch);
}

/**
 * grid_write_items - write the blocks whose result is 0
 * @t: the table
 * @items: blocks in kernel memory; a failed one gets the result -EIO
 * @n: how many
 *
 * Context: process; sleeps as long as the lower device takes.
 */
void grid_write_items(struct grid_table *t, struct grid_missing_item *items,
		      u32 n)
{
	struct grid_batch batch;
	struct blk_plug plug;
	u32 i;

	atomic_set(&batch.pending, 1);
	init_completion(&batch.done);
	blk_start_plug(&plug);
	for (i = 0; i < n; i++) {
		struct grid_missing_item *item = &items[i];
		struct grid_bio *gb;
		struct bio *bio;

		if (item->result)
			continue;
		if (is_vmalloc_addr(item->data))
			flush_kernel_vmap_range(item->data,
						t->grid->geo.block_size);
		bio = grid_block_bio(t, REQ_OP_WRITE | REQ_SYNC, item->address,
				     item->data);
		gb = container_of(bio, struct grid_bio, bio);
		gb->item = item;
		gb->batch = &batch;
		bio->bi_end_io = grid_write_end;
		atomic_inc(&batch.pending);
		submit_bio_noacct(bio);
	}
	blk_finish_plug(&plug);
	grid_batch_put(&batch);
	/* In turns of a second: a slow disk is no hung task. */
	while (!wait_for_completion_timeout(&batch.done, HZ))
		;
}

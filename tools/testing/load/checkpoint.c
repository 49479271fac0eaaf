// SPDX-License-Identifier: GPL-2.0
/*
 * Flushes and checkpoints, and what they free.  While a jump, a cancel of all
 * or a change of checkpoint: is under way (commotion), a flush that succeeds
 * may have freed nothing, so nothing is claimed.
 */
#include "ack.h"

bool explicit_checkpoint;
unsigned int checkpoints_open;
static unsigned int commotions, commotions_open;

void commotion_begin(void)
{
	__atomic_add_fetch(&commotions_open, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&commotions, 1, __ATOMIC_SEQ_CST);
}

void commotion_end(void)
{
	__atomic_sub_fetch(&commotions_open, 1, __ATOMIC_SEQ_CST);
}

/* For calm_since(). */
static unsigned int calm_now(void)
{
	unsigned int now = __atomic_load_n(&commotions, __ATOMIC_SEQ_CST);

	return __atomic_load_n(&commotions_open, __ATOMIC_SEQ_CST) ? UINT32_MAX :
								     now;
}

static bool calm_since(unsigned int was)
{
	return calm_now() == was && was != UINT32_MAX;
}

static int checkpoint(unsigned int op, uint64_t *id)
{
	struct grid_missing_checkpoint c = { .size = sizeof(c), .op = op,
					     .id = *id };
	int r;

	watch_begin("checkpoint", op);
	r = ioctl(grid.helper, GRID_MISSING_CHECKPOINT, &c) ? -errno : 0;
	watch_end();
	if (!r)
		*id = c.id;
	return r;
}

/* A checkpoint begins: what it frees was discarded up to the number returned. */
static uint64_t checkpoint_open(void)
{
	__atomic_add_fetch(&checkpoints_open, 1, __ATOMIC_SEQ_CST);
	return model_discards();
}

static void checkpoint_close(void)
{
	__atomic_sub_fetch(&checkpoints_open, 1, __ATOMIC_SEQ_CST);
}

static void flush(void)
{
	unsigned int was = calm_now();
	uint64_t limit = checkpoint_open();
	bool frees = !explicit_checkpoint;
	int r;

	model_event("flush", 0, 0, 0);
	watch_begin("flush", 0);
	r = fdatasync(grid.device);
	watch_end();
	if (r) {
		if (!errors)
			load_die("flush: %s", strerror(errno));
		COUNT(errors);
	} else {
		model_event("flushed", 0, 0, 0);
		if (frees && calm_since(was))
			model_freed(limit);
	}
	checkpoint_close();
}

static void take_durable(void)
{
	unsigned int was = calm_now();
	struct grid_missing_status status;
	uint64_t limit = checkpoint_open(), id = 0;
	int r = checkpoint(GRID_MISSING_CHECKPOINT_TAKE, &id);
	bool ours = !r;

	if (r == -EBUSY) {
		/* Somebody took one by a message. */
		get_status(&status);
		id = status.checkpoint_taken;
		r = id ? 0 : r;
	}
	if (!r) {
		/* What failed is still taken. */
		do
			r = checkpoint(GRID_MISSING_CHECKPOINT_DURABLE, &id);
		while (r == -EAGAIN || (r == -EIO && errors && calm_since(was)));
		if (!r && ours && calm_since(was))
			model_freed(limit);
	}
	if (r && !excused(r))
		load_die("checkpoint: %s", strerror(-r));
	checkpoint_close();
}

void *flusher(void *arg)
{
	unsigned int r = seed * 400 + (uintptr_t)arg;

	while (!load_over()) {
		usleep(rand_r(&r) % 30000);
		/* One at a time takes; the other flushes. */
		if (explicit_checkpoint && !arg)
			take_durable();
		else
			flush();
		COUNT(checkpoints);
	}
	return NULL;
}

/*
 * Nothing fails any more.  A flush that failed under load may be told to the next
 * one, and to the next checkpoint (F1, M2): these are they, so that later ones
 * have no excuse.
 */
void flush_leftover(void)
{
	flush();
	if (explicit_checkpoint)
		take_durable();
}

/* The load is over: what is released must become free, and nothing stay open. */
void free_everything(void)
{
	struct grid_missing_status status;
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		if (explicit_checkpoint)
			take_durable();
		else
			flush();
		get_status(&status);
		if (!status.released && !status.discarding &&
		    !status.checkpoint_taken &&
		    !(status.state & GRID_MISSING_STATUS_CHECKPOINT))
			return;
		usleep(20000);
	}
	load_die("checkpoints: %llu released, %llu to be discarded, %llu taken, flags %x: no end of it",
		 (unsigned long long)status.released,
		 (unsigned long long)status.discarding,
		 (unsigned long long)status.checkpoint_taken, status.state);
}

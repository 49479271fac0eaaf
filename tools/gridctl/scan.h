/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SCAN_H
#define SCAN_H

#include "ctl.h"

/**
 * struct scan - which blocks are not what they should be
 * @ctl: the command
 * @dev: the device
 * @algorithm: hash of the checksums
 * @jobs: how many blocks or runs of them are read at a time
 * @tracked: a bit for each block of the device: missing already; or NULL
 * @until: CLOCK_MONOTONIC when to give up, 0 for never
 * @show: print how far it is
 * @found: told of blocks that don't match; one call at a time, by any thread.
 *	What it returns, unless 0, ends the scan
 * @arg: its first argument
 * @checked: out: blocks that were read
 * @matched: out: of these, those that are what they should be
 * @unreadable: out: of these, those that could not be read
 * @stopped: out: @found has ended it
 * @unknown: out: blocks that nobody knows a checksum of, and indexes that
 *	cannot be decoded
 */
struct scan {
	const struct ctl *ctl;
	const struct gm_dev *dev;
	const char *algorithm;
	unsigned int jobs;
	const uint64_t *tracked;
	double until;
	bool show;
	int (*found)(void *arg, struct grid_missing_block *v, size_t n);
	void *arg;
	bool stopped;
	uint64_t checked, matched, unreadable, unknown;
};

/* Was @address missing before? @tracked has a bit for each block. */
static inline bool scan_tracked(const uint64_t *tracked, uint64_t address)
{
	return tracked && tracked[address / 64] >> address % 64 & 1;
}

/*
 * Scan @v; CTL_GOOD or an exit code, which has been said.  One that @found has
 * ended is good.
 */
int scan_blocks(struct scan *scan, const struct grid_missing_block *v,
		size_t count);

#endif /* SCAN_H */

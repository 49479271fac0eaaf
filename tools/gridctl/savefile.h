/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gridctl: the file of "save", which "load" reads.
 *
 * The file is text: a header that says of which device it is; then, one a line,
 *
 *	block ADDRESS SUM	a fault
 *	table ADDRESS SUM	a table, by its index block, which is missing
 *	values ADDRESS SUM N	a table whose index block is good, and
 *	value ADDRESS SUM	... N times, those of its values that are missing
 *	taken FIRST COUNT	blocks of the checkpoint that was taken
 *	checkpoint ID		... and its id
 *	released FIRST COUNT	blocks of the next one
 *	end LINES		so that a file cut short is known as such
 *
 * (SUM is "-" when nobody knows it).  What is freed and was not discarded yet
 * is released again: later is always safe.
 */
#ifndef SAVEFILE_H
#define SAVEFILE_H

#define SAVE_HEADER "grid-missing save 2"

/* Of this boot; load.c has it. */
void save_boot_id(char id[64]);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gridctl: what its parts share.
 *
 * A verb is one entry of verbs[] (main.c): its operands, options, help and
 * function.  main() parses the options by that table, so a verb's function
 * gets them ready in struct ctl and returns an exit code.  Everything that is
 * told to the user goes through the functions here, so that --json and the
 * "gridctl: VERB: …" of errors are one matter in one place.
 */
#ifndef CTL_H
#define CTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gridmissing.h"

#define SCHEMA_VERSION 1

/* Exit codes, documented in gridctl(8). */
enum ctl_exit {
	CTL_GOOD = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_NO_DEVICE = 3,
	CTL_TIMEOUT = 4,
	CTL_UNAVAILABLE = 5, /* all that is left is marked unavailable */
	CTL_FORCE = 6, /* refused: only with --force */
	CTL_LATER = 7, /* accepted, and still to come */
};

/* A long option; @arg is NULL when it takes none. */
struct ctl_option {
	const char *name;
	const char *arg;
	const char *help;
};

#define CTL_OPTIONS_MAX 24

struct ctl;

struct ctl_verb {
	const char *name;
	const char *operands;
	int min, max; /* operands; max -1: any number */
	const char *summary;
	const char *text; /* more help, or NULL */
	struct ctl_option options[CTL_OPTIONS_MAX];
	int (*run)(struct ctl *ctl);
};

struct ctl {
	const struct ctl_verb *verb;
	bool json;
	int argc; /* operands */
	char **argv;
	/* By the table's order; "" for an option without argument. */
	const char *values[CTL_OPTIONS_MAX];
};

/* The value of an option that was given, else NULL. */
const char *ctl_option(const struct ctl *ctl, const char *name);

/* Say why on stderr ("gridctl: VERB: …"); returns @code, for return. */
__attribute__((format(printf, 3, 4))) int
ctl_fail(const struct ctl *ctl, int code, const char *format, ...);
/* The same for an errno: "…: REASON"; ENODEV makes it CTL_NO_DEVICE. */
__attribute__((format(printf, 3, 4))) int
ctl_error(const struct ctl *ctl, int err, const char *format, ...);
/* The same for an errno of open(2) and the like, and for one of device-mapper. */
__attribute__((format(printf, 3, 4))) int
ctl_open_error(const struct ctl *ctl, int err, const char *format, ...);
__attribute__((format(printf, 3, 4))) int
ctl_dm_error(const struct ctl *ctl, int err, const char *format, ...);
/* The same without a return value: a remark on stderr. */
__attribute__((format(printf, 2, 3))) void ctl_note(const struct ctl *ctl,
						    const char *format, ...);

/*
 * Options with numbers: false when it was wrong, which has been said.
 * *@value is left alone when the option was not given.
 */
bool ctl_u64(const struct ctl *ctl, const char *name, uint64_t *value);
bool ctl_size(const struct ctl *ctl, const char *name, uint64_t *value);
bool ctl_ms(const struct ctl *ctl, const char *name, uint64_t *value);
/* --block-size: the same for what can be the size of a block. */
bool ctl_block_size(const struct ctl *ctl, uint64_t *value);

/* Open /dev/grid_missing; CTL_GOOD or an exit code, which has been said. */
int ctl_open(const struct ctl *ctl, struct gm_dev *dev, int flags);
/* Open and attach to operand 0; CTL_GOOD or an exit code, which has been said. */
int ctl_attach(const struct ctl *ctl, struct gm_dev *dev, int flags);
/* The dm name of operand 0. */
int ctl_dm_name(const struct ctl *ctl, char *name, size_t size);
/* The target type of the dm device @name; "": it has no table.  A negative errno. */
int ctl_target(const char *name, char type[16]);
/* Is @name a dm device of target grid?  CTL_GOOD or an exit code. */
int ctl_must_be_grid(const struct ctl *ctl, const char *name);
/*
 * Where the kernel's log stands, and the last thing that device-mapper said since
 * of the grid MAJOR:MINOR (or of one that it didn't name), or "".
 */
int ctl_log_open(void);
void ctl_log_close(int fd, unsigned int major, unsigned int minor, char *text,
		   size_t size);
/* Open a block device by its number; a negative errno. */
int ctl_open_block(unsigned int major, unsigned int minor, int flags);
/*
 * Open the device below a grid; *@offset: where the grid begins on it, in bytes.
 * There nothing parks, and nothing that can't be read becomes a fault.  A
 * negative errno.
 */
int ctl_open_below(const struct gm_dev *dev, int flags, uint64_t *offset);

/*
 * Who holds the block device @dev, as words; how often they have opened it, at
 * least: 0 (and "") when nobody is found.  Mounts of every namespace count.
 */
enum ctl_holders {
	HOLDERS_LASTING, /* mounts, swap, devices */
	HOLDERS_ALL, /* and processes */
	HOLDERS_WRITE, /* of all, those that may write */
};
unsigned int ctl_holders(dev_t dev, enum ctl_holders which, char *text,
			 size_t size);
/**
 * struct ctl_known - faults whose blocks are known to be good below
 * @read: these, as they were when they were read
 * @reads: how many
 * @cancel: what is to be cancelled: the single ones, and tables.  Behind them come
 *	those that are not missing, with a result that says so
 * @count: how many are to be cancelled
 */
struct ctl_known {
	struct grid_missing_block *read, *cancel;
	size_t reads, count;
};

/*
 * What --force is for; CTL_GOOD, or an exit code (CTL_FORCE), which has been said.
 *
 * Do the missing blocks @addresses (with @tables: of the tables with these
 * indexes; @count 0: all) have below what their checksums say?  @known is to be
 * freed in any case.
 */
int ctl_known_good(const struct ctl *ctl, struct gm_dev *dev,
		   const uint64_t *addresses, size_t count, bool tables,
		   struct ctl_known *known);
void ctl_known_free(struct ctl_known *known);
/*
 * Cancel what is known to be good, but for what is another fault by now: the
 * elements' results say so.  CTL_GOOD, with *@err as gm_cancel() returns it and
 * *@done; or an exit code, which has been said.
 */
int ctl_cancel_known(const struct ctl *ctl, struct gm_dev *dev,
		     const struct ctl_known *known, uint32_t flags,
		     size_t *done, int *err);
/*
 * Is nobody there who could write to the device?  We have it open @own times, for
 * reading.  @changed: something was enqueued before, so that it is CTL_FAILED.
 */
int ctl_not_written(const struct ctl *ctl, const struct gm_dev *dev,
		    unsigned int own, bool changed);
/*
 * Remove a dm device, with patience for who only looks at it (udev's blkid).  @may
 * (NULL: always) is asked before each try: CTL_GOOD or an exit code.
 */
int ctl_remove(const struct ctl *ctl, const char *name,
	       int (*may)(const struct ctl *ctl, const char *name));

/* Addresses among the operands from @first on; allocated. */
int ctl_addresses(const struct ctl *ctl, int first, uint64_t **addresses,
		  size_t *count);
/*
 * The same as blocks, with checksums: ADDRESS, ADDRESS:CHECKSUM, ADDRESS
 * CHECKSUM or FIRST-LAST.  All must lie on the device.
 */
int ctl_blocks(const struct ctl *ctl, const struct gm_dev *dev, int first,
	       uint32_t flags, struct grid_missing_block **blocks,
	       size_t *count);

/*
 * The same from a manifest, which must fit the device: of its block size, and
 * its hash.  @algorithm (char[64], may be NULL): the hash that it names, or "";
 * @ended (may be NULL): it has an end mark.
 */
int ctl_manifest(const struct ctl *ctl, const struct gm_dev *dev,
		 const char *path, struct grid_missing_block **blocks,
		 size_t *count, char *algorithm, bool *ended);
/* Every address must lie on the device, before anything is enqueued. */
int ctl_check_range(const struct ctl *ctl, const struct gm_dev *dev,
		    const struct grid_missing_block *v, size_t count);

/* Every fault of a device, allocated. */
int ctl_all_faults(const struct ctl *ctl, struct gm_dev *dev,
		   struct grid_missing_fault **faults, size_t *count);

/* Faults in any state. */
uint64_t ctl_missing(const struct grid_missing_status *s);

/* JSON: an object with schema_version; print it on one line and drop it. */
struct json_object *ctl_object(void);
void ctl_put_u64(struct json_object *o, const char *key, uint64_t value);
void ctl_put_string(struct json_object *o, const char *key, const char *value);
void ctl_put_bool(struct json_object *o, const char *key, bool value);
void ctl_put_checksum(struct json_object *o, const char *key,
		      const struct grid_missing_checksum *sum, uint32_t flags);
void ctl_print(struct json_object *o);

/* A status as JSON; @rate: blocks repaired a second, 0 when that is not known. */
void ctl_status_json(const struct ctl *ctl, const struct gm_dev *dev,
		     const struct grid_missing_status *s, double rate);

/* One fault as a line (or the heading, when @fault is NULL). */
void ctl_print_fault(const struct ctl *ctl,
		     const struct grid_missing_fault *fault);

/* rename(2), durable when it returns 0; else a negative errno. */
int ctl_rename(const char *from, const char *to);

/* Seconds of CLOCK_MONOTONIC. */
double ctl_now(void);
void ctl_pause(unsigned int ms);

/* A time that is left, as people read it. */
void ctl_format_left(double seconds, char *text, size_t size);
/*
 * How far it is, on stderr: a bar on a terminal, drawn over itself; else a line
 * (how often is the caller's matter).  @what comes first, and ends with a blank
 * when it isn't empty.
 */
void ctl_progress(const char *what, uint64_t done, uint64_t left,
		  uint32_t block_size, double seconds, bool terminal);

/* Say so when nobody repairs what is waited for; true when it was said. */
bool ctl_no_helper(const struct ctl *ctl, const struct grid_missing_status *s,
		   double seconds);
/* libblkid's eyes on a disk from byte @start on; NULL: said so, CTL_FAILED. */
struct blkid_struct_probe *ctl_probe(const struct ctl *ctl, const char *path,
				     int fd, uint64_t start);
/* The next thing it finds: 1, with its *@name and where its magic begins, 0 or -EIO. */
int ctl_next_signature(struct blkid_struct_probe *probe, const char **name,
		       uint64_t *at);
/*
 * Does something lie on the disk (@path, open as @fd) ahead of a grid that begins at
 * byte @begin?  CTL_GOOD: no, or --force.
 */
int ctl_check_ahead(const struct ctl *ctl, const char *path, int fd,
		    uint64_t begin);

/* What ctl_stuck() remembers; 0 at first. */
struct ctl_stuck {
	double since;
	bool settled;
};

/* Is all that is left marked unavailable, and stays so? */
bool ctl_stuck(const struct ctl *ctl, const struct grid_missing_status *s,
	       struct ctl_stuck *stuck);
/*
 * Does the daemon still try what is marked on this tracker?  1: no, 0: yes,
 * -1: there is none that says so.
 */
int ctl_helper_settled(const struct ctl *ctl, uint64_t tracker);
/* All that is left is unavailable; returns CTL_UNAVAILABLE. */
int ctl_unavailable(const struct ctl *ctl, const struct grid_missing_status *s);

int verb_create(struct ctl *ctl);
int verb_remove(struct ctl *ctl);
int verb_resize(struct ctl *ctl);
int verb_resume(struct ctl *ctl);
int verb_list(struct ctl *ctl);
int verb_status(struct ctl *ctl);
int verb_faults(struct ctl *ctl);
int verb_tables(struct ctl *ctl);
int verb_released(struct ctl *ctl);
int verb_wait(struct ctl *ctl);
int verb_monitor(struct ctl *ctl);
int verb_check(struct ctl *ctl);
int verb_enqueue(struct ctl *ctl);
int verb_enqueue_table(struct ctl *ctl);
int verb_batch(struct ctl *ctl);
int verb_unavailable(struct ctl *ctl);
int verb_retry(struct ctl *ctl);
/* A table in a line, as `tables` lists them. */
void ctl_show_table(const struct ctl *ctl, const struct grid_missing_table *t);
int verb_reclaim(struct ctl *ctl);
int verb_cancel(struct ctl *ctl);
int verb_checkpoint(struct ctl *ctl);
int verb_sync_jump(struct ctl *ctl);
int verb_ready(struct ctl *ctl);
int verb_set(struct ctl *ctl);
int verb_repair(struct ctl *ctl);
int verb_save(struct ctl *ctl);
int verb_load(struct ctl *ctl);
int verb_manifest(struct ctl *ctl);
int verb_sync(struct ctl *ctl);
int verb_attach(struct ctl *ctl);
int verb_detach(struct ctl *ctl);
int verb_doctor(struct ctl *ctl);
int verb_format(struct ctl *ctl);
int verb_metadata(struct ctl *ctl);
int verb_version(struct ctl *ctl);

#endif /* CTL_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl repair: putting blocks back by hand.
 *
 * What the daemon does with policies, this does with one file and no policy:
 * the operator says where the data is.  Only one thing is not left to the
 * operator's hurry: in bulk (--from), a block whose data can't be verified (nobody
 * knows its checksum, or the device has no hash) is repaired only with --trust, for
 * a stale replica must not roll it back in silence.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ctl.h"
#include "disk.h"
#include "stack.h"

/* Bytes and blocks a call: what the kernel copies as one slice. */
#define CALL_BYTES (8U << 20)
#define CALL_BLOCKS 512U
#define TELL_MAX 10
#define PAGE_MOST 65536U /* of any machine */

struct work {
	struct ctl *ctl;
	struct gm_dev dev;
	struct gm_hash hash;
	bool hashing;
	struct grid_missing_repair *v;
	struct grid_missing_value **values;
	char *data;
	uint32_t count, room;
	uint64_t repaired, failed;
};

static int work_start(struct work *w, struct ctl *ctl)
{
	int code, err;

	memset(w, 0, sizeof(*w));
	w->ctl = ctl;
	code = ctl_attach(ctl, &w->dev, O_RDWR);
	if (code)
		return code;
	if (!w->dev.block_size) {
		gm_close(&w->dev);
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s is a private tracker: only its own program repairs",
			ctl->argv[0]);
	}
	if (*w->dev.checksum) {
		err = gm_hash_open(&w->hash, w->dev.checksum);
		if (err) {
			gm_close(&w->dev);
			return ctl_fail(ctl, CTL_FAILED, "hash %s: %s",
					w->dev.checksum, strerrordesc_np(-err));
		}
		w->hashing = true;
	}
	w->room = CALL_BYTES / w->dev.block_size;
	if (w->room > CALL_BLOCKS)
		w->room = CALL_BLOCKS;
	w->v = calloc(w->room, sizeof(*w->v));
	w->values = calloc(w->room, sizeof(*w->values));
	w->data = aligned_alloc(4096, (size_t)w->room * w->dev.block_size);
	if (!w->v || !w->values || !w->data)
		return ctl_error(ctl, -ENOMEM, "%u blocks", w->room);
	return CTL_GOOD;
}

static void work_end(struct work *w)
{
	if (w->hashing)
		gm_hash_close(&w->hash);
	gm_close(&w->dev);
	free(w->v);
	free(w->values);
	free(w->data);
}

static void tell(struct work *w, uint64_t address, int err)
{
	if (++w->failed <= TELL_MAX)
		ctl_error(w->ctl, err, "%s: block %" PRIu64, w->ctl->argv[0],
			  address);
}

static int work_flush(struct work *w)
{
	size_t done = 0;
	uint32_t i;
	int err;

	err = gm_repair(&w->dev, w->v, w->count, &done);
	for (i = 0; i < w->count; i++) {
		if (i < done && !w->v[i].result)
			w->repaired++;
		else if (i < done)
			tell(w, w->v[i].address, w->v[i].result);
		else
			w->failed++;
		free(w->values[i]);
		w->values[i] = NULL;
	}
	w->count = 0;
	if (err)
		return ctl_error(w->ctl, err, "%s: repair", w->ctl->argv[0]);
	return CTL_GOOD;
}

static char *work_buffer(const struct work *w)
{
	return w->data + (size_t)w->count * w->dev.block_size;
}

/* The block in work_buffer() joins the vector.  False: told, and left out. */
static bool work_add(struct work *w, const struct grid_missing_fault *f,
		     const struct grid_missing_checksum *sum)
{
	bool index = f->cause == GRID_MISSING_CAUSE_TABLE_INDEX;
	uint64_t address = f->address;
	struct grid_missing_repair *r = &w->v[w->count];
	char *data = work_buffer(w);
	const char *why;
	int n = 0;

	memset(r, 0, sizeof(*r));
	r->address = address;
	r->serial = f->serial;
	r->data = (uintptr_t)data;
	if (sum) {
		r->checksum = *sum;
	} else if (w->hashing) {
		/* Nobody knows the right one: state what the data has. */
		n = gm_hash(&w->hash, data, w->dev.block_size, &r->checksum);
		if (n) {
			tell(w, address, n);
			return false;
		}
	} else {
		r->flags = GRID_MISSING_F_NO_CHECKSUM;
	}
	if (index) {
		n = gm_index_decode(data, w->dev.block_size, w->dev.blocks,
				    address, NULL, 0, &why);
		if (n > 0)
			w->values[w->count] =
				calloc((size_t)n, sizeof(**w->values));
		if (n < 0 || !w->values[w->count]) {
			w->failed++;
			ctl_fail(w->ctl, CTL_FAILED,
				 "%s: block %" PRIu64
				 " should be a table's index, but %s",
				 w->ctl->argv[0], address,
				 n < 0 ? why : "memory is out");
			return false;
		}
		gm_index_decode(data, w->dev.block_size, w->dev.blocks, address,
				w->values[w->count], (uint32_t)n, NULL);
		r->values = (uintptr_t)w->values[w->count];
		r->values_count = (uint32_t)n;
		r->value_size = sizeof(struct grid_missing_value);
	}
	w->count++;
	return true;
}

/* Read exactly @size bytes; how many there were, or a negative errno. */
static ssize_t read_full(int fd, char *data, size_t size, off_t offset)
{
	size_t at = 0;
	ssize_t n;

	while (at < size) {
		n = offset < 0 ?
			    read(fd, data + at, size - at) :
			    pread(fd, data + at, size - at, offset + (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * The faults at @addresses (sorted here), or all that wait.  An address without
 * one is told of.
 */
static int pick_faults(struct work *w, uint64_t *addresses, size_t count,
		       struct grid_missing_fault **faults, size_t *picked)
{
	struct grid_missing_fault *v;
	uint64_t *hit;
	size_t n, i, to = 0;
	bool *met;
	int code;

	code = ctl_all_faults(w->ctl, &w->dev, &v, &n);
	if (code)
		return code;
	met = calloc(count + 1, sizeof(*met));
	if (!met) {
		free(v);
		return ctl_error(w->ctl, -ENOMEM, "%zu blocks", count);
	}
	qsort(addresses, count, sizeof(*addresses), compare_u64);
	for (i = 0; i < n; i++) {
		if (count) {
			hit = bsearch(&v[i].address, addresses, count,
				      sizeof(*addresses), compare_u64);
			if (!hit)
				continue;
			met[hit - addresses] = true;
		} else if (v[i].state != GRID_MISSING_STATE_WAITING) {
			continue;
		}
		v[to++] = v[i];
	}
	for (i = 0; i < count; i++)
		if (!met[i] && !(i && addresses[i] == addresses[i - 1]))
			tell(w, addresses[i], -ENOENT);
	free(met);
	*faults = v;
	*picked = to;
	return CTL_GOOD;
}

/* Can it have what the grid has not?  CTL_GOOD or an exit code. */
static int check_source(const struct work *w, const char *source)
{
	const char *name = w->ctl->argv[0];

	switch (gm_stack_source(source, makedev(w->dev.major, w->dev.minor))) {
	case GM_ON_GRID:
		return ctl_fail(
			w->ctl, CTL_FAILED,
			"%s is %s, or lies on it, where it would wait for itself",
			source, name);
	case GM_BELOW_GRID:
		return ctl_fail(
			w->ctl, CTL_FAILED,
			"%s lies below %s, and has the blocks no better",
			source, name);
	case GM_APART:
		break;
	}
	return CTL_GOOD;
}

/* Where the data comes from: blocks of @fd from byte @offset on. */
struct source {
	const char *path;
	int fd;
	uint64_t offset;
	bool cached; /* a disk that is read through the page cache */
};

/* The block at @address to work_buffer(); false: told. */
static bool read_source(struct work *w, const struct source *s,
			uint64_t address)
{
	uint32_t size = w->dev.block_size;
	ssize_t got;
	uint64_t at;

	if (address >= ((uint64_t)INT64_MAX - s->offset) / size) {
		tell(w, address, -ERANGE);
		return false;
	}
	at = s->offset + address * size;
	/* Only whole pages are dropped. */
	if (s->cached)
		posix_fadvise(s->fd, (off_t)(at - at % PAGE_MOST),
			      size + 2 * PAGE_MOST, POSIX_FADV_DONTNEED);
	got = read_full(s->fd, work_buffer(w), size, (off_t)at);
	if (got == (ssize_t)size)
		return true;
	w->failed++;
	ctl_fail(w->ctl, CTL_FAILED, "%s: block %" PRIu64 ": %s", s->path,
		 address,
		 got < 0 ? strerrordesc_np((int)-got) : "it ends before");
	return false;
}

static void tell_untrusted(struct work *w, const char *source, uint64_t count)
{
	w->failed += count;
	if (w->hashing)
		ctl_note(
			w->ctl,
			"%" PRIu64
			" blocks have no checksum, and were left: --trust repairs them, if %s is no stale replica",
			count, source);
	else
		ctl_note(
			w->ctl,
			"%" PRIu64
			" blocks can't be verified (%s has no hash), and were left: --trust repairs them, if %s is no stale replica",
			count, w->ctl->argv[0], source);
}

static int repair_all(struct work *w, const struct source *s,
		      const struct grid_missing_fault *v, size_t n)
{
	bool trust = ctl_option(w->ctl, "trust"), unknown;
	uint64_t untrusted = 0;
	int code = CTL_GOOD;
	size_t i;

	for (i = 0; i < n && !code; i++) {
		unknown = v[i].flags & GRID_MISSING_F_NO_CHECKSUM;
		/* Without a hash neither we nor the kernel verify the data. */
		if ((unknown || !w->hashing) && !trust) {
			untrusted++;
			continue;
		}
		if (!read_source(w, s, v[i].address))
			continue;
		work_add(w, &v[i], unknown ? NULL : &v[i].checksum);
		if (w->count == w->room)
			code = work_flush(w);
	}
	if (!code && w->count)
		code = work_flush(w);
	if (untrusted)
		tell_untrusted(w, s->path, untrusted);
	return code;
}

static int repair_from(struct work *w, const char *path)
{
	struct source s = { .path = path };
	struct grid_missing_fault *faults;
	uint64_t *addresses;
	size_t count, n;
	int code;

	if (!ctl_size(w->ctl, "source-offset", &s.offset))
		return CTL_USAGE;
	if (s.offset > INT64_MAX)
		return ctl_fail(w->ctl, CTL_USAGE,
				"--source-offset=%s is too large",
				ctl_option(w->ctl, "source-offset"));
	code = ctl_addresses(w->ctl, 1, &addresses, &count);
	if (code)
		return code;
	s.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (s.fd < 0) {
		code = ctl_fail(w->ctl, CTL_FAILED, "%s: %s", path,
				strerrordesc_np(errno));
		goto out_free;
	}
	code = check_source(w, path);
	if (code)
		goto out_close;
	s.cached = gm_past_cache(s.fd, s.offset, w->dev.block_size);
	code = pick_faults(w, addresses, count, &faults, &n);
	if (code)
		goto out_close;
	code = repair_all(w, &s, faults, n);
	free(faults);
out_close:
	close(s.fd);
out_free:
	free(addresses);
	return code;
}

static int repair_one(struct work *w)
{
	const char *path = ctl_option(w->ctl, "data");
	struct grid_missing_checksum stated;
	struct grid_missing_fault *faults;
	const char *name = path ? path : "standard input";
	bool has_stated = w->ctl->argc == 3;
	uint64_t address, serial = 0;
	ssize_t got;
	int code, fd = STDIN_FILENO;
	size_t n;
	char extra;

	if (gm_parse_u64(w->ctl->argv[1], &address))
		return ctl_fail(w->ctl, CTL_USAGE,
				"\"%s\" is not a block address",
				w->ctl->argv[1]);
	if (has_stated && gm_parse_checksum(w->ctl->argv[2], &stated))
		return ctl_fail(w->ctl, CTL_USAGE, "\"%s\" is not a checksum",
				w->ctl->argv[2]);
	if (!ctl_u64(w->ctl, "serial", &serial))
		return CTL_USAGE;
	code = pick_faults(w, &address, 1, &faults, &n);
	if (code || !n)
		return code;
	if (serial)
		faults->serial = serial;
	if (path) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			free(faults);
			return ctl_fail(w->ctl, CTL_FAILED, "%s: %s", path,
					strerrordesc_np(errno));
		}
	}
	got = read_full(fd, work_buffer(w), w->dev.block_size, -1);
	if (got == (ssize_t)w->dev.block_size && read(fd, &extra, 1) == 1)
		got++;
	if (path)
		close(fd);
	if (got < 0)
		code = ctl_fail(w->ctl, CTL_FAILED, "%s: %s", name,
				strerrordesc_np((int)-got));
	else if (got != (ssize_t)w->dev.block_size)
		code = ctl_fail(
			w->ctl, CTL_FAILED,
			"%s has %s than one block (%u bytes); nothing was changed",
			name,
			got < (ssize_t)w->dev.block_size ? "less" : "more",
			w->dev.block_size);
	else if (work_add(w, faults,
			  has_stated ? &stated :
			  faults->flags & GRID_MISSING_F_NO_CHECKSUM ?
				       NULL :
				       &faults->checksum))
		code = work_flush(w);
	free(faults);
	return code;
}

int verb_repair(struct ctl *ctl)
{
	const char *from = ctl_option(ctl, "from");
	struct json_object *o;
	struct work w;
	int code;

	if (from ? ctl_option(ctl, "data") || ctl_option(ctl, "serial") :
		   (ctl->argc < 2 || ctl->argc > 3))
		return ctl_fail(
			ctl, CTL_USAGE,
			"one ADDRESS with its data on standard input or by --data, or --from=SOURCE");
	code = work_start(&w, ctl);
	if (!code)
		code = from ? repair_from(&w, from) : repair_one(&w);
	if (w.data) {
		if (ctl->json) {
			o = ctl_object();
			ctl_put_string(o, "device", ctl->argv[0]);
			ctl_put_u64(o, "repaired", w.repaired);
			ctl_put_u64(o, "failed", w.failed);
			ctl_print(o);
		} else if (code != CTL_USAGE) {
			printf("%s: %" PRIu64 " blocks repaired", ctl->argv[0],
			       w.repaired);
			if (w.failed)
				printf(", %" PRIu64 " not", w.failed);
			putchar('\n');
		}
		work_end(&w);
	}
	return code ? code : w.failed ? CTL_FAILED : CTL_GOOD;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl manifest: the checksums of a good device or image.
 *
 * Threads read and hash a window of it, then that is listed; so the memory it
 * takes doesn't grow with the image (with --tables it does: all checksums must be
 * known before the first line).  With --output the file is there complete or
 * not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "disk.h"

#define RUN_BYTES (1U << 20)
#define WINDOW_BLOCKS 65536U
#define JOBS_MAX 64

struct image {
	const struct ctl *ctl;
	FILE *out;
	int fd;
	const char *algorithm;
	uint64_t block_size, offset, blocks;
	unsigned int jobs;
	char *data; /* of one block */
	uint64_t listed;
	bool show;
	double start;
};

/* What a block is to the tables. */
enum role {
	ROLE_NONE,
	ROLE_INDEX, /* decodes as an index */
	ROLE_TABLE, /* is one, of values that are all there */
	ROLE_VALUE, /* of such a table */
};

/* Blocks that are hashed at a time. */
struct window {
	struct image *im;
	uint64_t first, count;
	struct grid_missing_checksum *sums; /* of the first on */
	uint8_t *role; /* likewise, or NULL */
	unsigned int run; /* blocks read at once */
	atomic_ullong next, done;
	atomic_uint running;
	pthread_mutex_t lock; /* around these: the first block that failed */
	uint64_t bad;
	int err; /* positive; ENODATA: the image ends before */
};

/* 0 or a positive errno. */
static int read_blocks(const struct image *im, uint64_t i, uint64_t count,
		       char *data)
{
	uint64_t at, size = count * im->block_size;
	ssize_t n;

	for (at = 0; at < size; at += (uint64_t)n) {
		n = pread(im->fd, data + at, size - at,
			  (off_t)(im->offset + i * im->block_size + at));
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return n ? errno : ENODATA;
	}
	return 0;
}

static int cannot_read(const struct image *im, uint64_t i, int err)
{
	return ctl_fail(im->ctl, CTL_FAILED, "%s: block %" PRIu64 ": %s",
			im->ctl->argv[0], i,
			err == ENODATA ? "it ends before" :
					 strerrordesc_np(err));
}

static void give_up(struct window *w, uint64_t i, int err)
{
	pthread_mutex_lock(&w->lock);
	if (!w->err || i < w->bad) {
		w->bad = i;
		w->err = err;
	}
	pthread_mutex_unlock(&w->lock);
	/* Nobody takes another run; those before it are finished. */
	atomic_store(&w->next, w->count);
}

static int hash_block(struct window *w, struct gm_hash *hash, uint64_t at,
		      const char *data)
{
	struct image *im = w->im;
	int err = gm_hash(hash, data, im->block_size, &w->sums[at]);

	if (!err && w->role &&
	    gm_index_decode(data, (uint32_t)im->block_size, im->blocks,
			    w->first + at, NULL, 0, NULL) > 0)
		w->role[at] = ROLE_INDEX;
	return -err;
}

static void *hash_thread(void *arg)
{
	struct window *w = arg;
	struct image *im = w->im;
	uint64_t at = 0, n = 0, i;
	struct gm_hash hash;
	char *data;
	bool whole;
	int err;

	data = aligned_alloc(4096, w->run * im->block_size);
	err = data ? -gm_hash_open(&hash, im->algorithm) : ENOMEM;
	if (err) {
		free(data);
		give_up(w, w->first, err);
		atomic_fetch_sub(&w->running, 1);
		return NULL;
	}
	while ((at = atomic_fetch_add(&w->next, w->run)) < w->count) {
		n = w->count - at < w->run ? w->count - at : w->run;
		whole = !read_blocks(im, w->first + at, n, data);
		for (i = 0; i < n && !err; i++, at++) {
			if (!whole)
				err = read_blocks(im, w->first + at, 1, data);
			if (!err)
				err = hash_block(
					w, &hash, at,
					data + (whole ? i * im->block_size :
							0));
			if (err)
				give_up(w, w->first + at, err);
		}
		atomic_fetch_add(&w->done, n);
	}
	gm_hash_close(&hash);
	free(data);
	atomic_fetch_sub(&w->running, 1);
	return NULL;
}

/* Until all threads are through; show how far it is. */
static void watch(struct window *w)
{
	struct image *im = w->im;
	bool terminal = isatty(STDERR_FILENO);
	double now, next = 0;
	unsigned int running, step = 1;
	uint64_t done;

	do {
		running = atomic_load(&w->running);
		now = ctl_now();
		done = w->first + atomic_load(&w->done);
		if (im->show && (now >= next || done == im->blocks)) {
			ctl_progress("", done, im->blocks - done,
				     (uint32_t)im->block_size, now - im->start,
				     terminal);
			next = now + (terminal ? 0.2 : 2);
		}
		if (running)
			ctl_pause(step);
		if (step < 50)
			step *= 2;
	} while (running);
	if (im->show && terminal && (w->err || done == im->blocks))
		fputc('\n', stderr);
}

/* The checksums of @count blocks from @first on, and what decodes as an index. */
static int hash_window(struct image *im, uint64_t first, uint64_t count,
		       struct grid_missing_checksum *sums, uint8_t *role)
{
	struct window w = {
		.im = im,
		.first = first,
		.count = count,
		.sums = sums,
		.role = role,
		.run = RUN_BYTES / (uint32_t)im->block_size,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	pthread_t threads[JOBS_MAX];
	unsigned int i, n;
	int err = 0;

	atomic_store(&w.running, im->jobs);
	for (n = 0; n < im->jobs; n++) {
		err = pthread_create(&threads[n], NULL, hash_thread, &w);
		if (err)
			break;
	}
	if (err)
		atomic_fetch_sub(&w.running, im->jobs - n);
	watch(&w);
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	/* Fewer threads than wanted do as well; none don't. */
	if (!n)
		return ctl_fail(im->ctl, CTL_FAILED, "%u jobs: %s", im->jobs,
				strerrordesc_np(err));
	return w.err ? cannot_read(im, w.bad, w.err) : CTL_GOOD;
}

static void print_block(struct image *im, uint64_t i,
			const struct grid_missing_checksum *sum, bool table)
{
	char text[GM_CHECKSUM_TEXT];
	struct json_object *o;

	im->listed++;
	if (im->ctl->json && im->out == stdout) {
		o = ctl_object();
		ctl_put_u64(o, "address", i);
		ctl_put_checksum(o, "checksum", sum, 0);
		ctl_put_bool(o, "table", table);
		ctl_print(o);
		return;
	}
	fprintf(im->out, "%" PRIu64 " %s%s\n", i, gm_format_checksum(sum, text),
		table ? " table" : "");
}

static int print_all(struct image *im)
{
	struct grid_missing_checksum *sums =
		calloc(WINDOW_BLOCKS, sizeof(*sums));
	uint64_t first, count, i;
	int code = CTL_GOOD;

	if (!sums)
		return ctl_error(im->ctl, -ENOMEM, "%u blocks", WINDOW_BLOCKS);
	for (first = 0; first < im->blocks && !code; first += count) {
		count = im->blocks - first;
		if (count > WINDOW_BLOCKS)
			count = WINDOW_BLOCKS;
		code = hash_window(im, first, count, sums, NULL);
		for (i = 0; i < count && !code; i++)
			print_block(im, first + i, &sums[i], false);
	}
	free(sums);
	return code;
}

/*
 * Block @i decodes as an index.  It is a table's only if all its values are
 * there, each once, and no other table's or index: a store leaves many an old
 * index behind.
 */
static int mark_table(const struct image *im, uint64_t i, uint8_t *role,
		      const struct grid_missing_checksum *sums,
		      struct grid_missing_value *values, uint32_t room)
{
	int err = read_blocks(im, i, 1, im->data), n, k;

	if (err)
		return cannot_read(im, i, err);
	n = gm_index_decode(im->data, (uint32_t)im->block_size, im->blocks, i,
			    values, room, NULL);
	for (k = 0; k < n; k++) {
		if (role[values[k].address] != ROLE_NONE ||
		    !gm_checksum_equal(&values[k].checksum,
				       &sums[values[k].address]))
			break;
		role[values[k].address] = ROLE_VALUE;
	}
	if (k == n) {
		role[i] = ROLE_TABLE;
		return CTL_GOOD;
	}
	while (k-- > 0)
		role[values[k].address] = ROLE_NONE;
	return CTL_GOOD;
}

/* With tables marked, and without their values: an index brings these. */
static int print_tables(struct image *im)
{
	uint32_t room = gm_index_capacity((uint32_t)im->block_size);
	struct grid_missing_value *values = calloc(room, sizeof(*values));
	struct grid_missing_checksum *sums = NULL;
	uint8_t *role = NULL;
	int code = CTL_GOOD;
	uint64_t i;

	if ((size_t)im->blocks == im->blocks) {
		sums = calloc((size_t)im->blocks, sizeof(*sums));
		role = calloc((size_t)im->blocks, sizeof(*role));
	}
	if (!sums || !values || !role)
		code = ctl_error(im->ctl, -ENOMEM, "%" PRIu64 " blocks",
				 im->blocks);
	if (!code)
		code = hash_window(im, 0, im->blocks, sums, role);
	for (i = 0; i < im->blocks && !code; i++)
		if (role[i] == ROLE_INDEX)
			code = mark_table(im, i, role, sums, values, room);
	for (i = 0; i < im->blocks && !code; i++)
		if (role[i] != ROLE_VALUE)
			print_block(im, i, &sums[i], role[i] == ROLE_TABLE);
	free(sums);
	free(values);
	free(role);
	return code;
}

/* How much of the file is blocks; CTL_GOOD or an exit code. */
static int measure(struct image *im)
{
	off_t end = lseek(im->fd, 0, SEEK_END);
	uint64_t there = 0;

	if (end >= 0 && (uint64_t)end >= im->offset)
		there = ((uint64_t)end - im->offset) / im->block_size;
	if (im->blocks == UINT64_MAX)
		im->blocks = there;
	if (im->blocks && im->blocks <= there)
		return CTL_GOOD;
	return ctl_fail(im->ctl, CTL_FAILED,
			"%s has %" PRIu64 " blocks of %" PRIu64 " bytes",
			im->ctl->argv[0], there, im->block_size);
}

/* Of a hash that isn't there nothing is begun. */
static int check_hash(const struct image *im)
{
	struct gm_hash hash;
	int err = gm_hash_open(&hash, im->algorithm);

	if (err)
		return ctl_fail(
			im->ctl, CTL_FAILED, "hash \"%s\": %s", im->algorithm,
			err == -ENOENT || err == -EAFNOSUPPORT ?
				"neither the kernel nor libgcrypt has such a hash" :
				strerrordesc_np(-err));
	gm_hash_close(&hash);
	return CTL_GOOD;
}

/* All of the manifest, to @im->out. */
static int print_manifest(struct image *im, bool text)
{
	int code;

	if (text)
		fprintf(im->out, "#! block_size %" PRIu64 "\n#! checksum %s\n",
			im->block_size, im->algorithm);
	code = ctl_option(im->ctl, "tables") ? print_tables(im) : print_all(im);
	/* One that was cut has no end. */
	if (!code && text)
		fprintf(im->out, "#! end %" PRIu64 "\n", im->listed);
	return code;
}

/* The same to the file @output, which is there complete or not at all. */
static int write_manifest(struct image *im, const char *output)
{
	char temporary[4096];
	int code, err = 0;

	if (snprintf(temporary, sizeof(temporary), "%s.new", output) >=
	    (int)sizeof(temporary))
		return ctl_fail(im->ctl, CTL_FAILED, "%s: the name is too long",
				output);
	im->out = fopen(temporary, "we");
	if (!im->out)
		return ctl_fail(im->ctl, CTL_FAILED, "%s: %s", temporary,
				strerrordesc_np(errno));
	code = print_manifest(im, true);
	if (ferror(im->out) || fflush(im->out) || fsync(fileno(im->out)))
		err = errno;
	if (fclose(im->out) && !err)
		err = errno;
	if (!code && !err)
		err = -ctl_rename(temporary, output);
	if (!code && err)
		code = ctl_fail(im->ctl, CTL_FAILED, "%s: %s", output,
				strerrordesc_np(err));
	if (code)
		unlink(temporary);
	return code;
}

static void tell_end(const struct image *im, const char *output)
{
	struct json_object *o = ctl_object();

	if (output)
		ctl_put_string(o, "file", output);
	ctl_put_u64(o, "block_size", im->block_size);
	ctl_put_string(o, "checksum", im->algorithm);
	ctl_put_u64(o, "listed", im->listed);
	ctl_put_u64(o, "end", im->listed);
	ctl_print(o);
}

int verb_manifest(struct ctl *ctl)
{
	const char *algorithm = ctl_option(ctl, "checksum");
	const char *output = ctl_option(ctl, "output");
	struct image im = { .ctl = ctl,
			    .out = stdout,
			    .algorithm = algorithm ? algorithm : "sha256",
			    .blocks = UINT64_MAX };
	uint64_t jobs = 4;
	int code;

	if (!ctl_option(ctl, "block-size"))
		return ctl_fail(ctl, CTL_USAGE,
				"--block-size is required (4K to 1M)");
	if (!ctl_block_size(ctl, &im.block_size) ||
	    !ctl_size(ctl, "offset", &im.offset) ||
	    !ctl_u64(ctl, "blocks", &im.blocks) || !ctl_u64(ctl, "jobs", &jobs))
		return CTL_USAGE;
	if (!jobs || jobs > JOBS_MAX)
		return ctl_fail(ctl, CTL_USAGE, "--jobs is from 1 to %d",
				JOBS_MAX);
	im.jobs = (unsigned int)jobs;
	im.fd = open(ctl->argv[0], O_RDONLY | O_CLOEXEC);
	if (im.fd < 0)
		return ctl_fail(ctl, CTL_FAILED, "%s: %s", ctl->argv[0],
				gm_open_reason(errno));
	if (gm_past_cache(im.fd, im.offset, im.block_size))
		posix_fadvise(im.fd, 0, 0, POSIX_FADV_DONTNEED);
	code = measure(&im);
	if (!code)
		code = check_hash(&im);
	if (code)
		goto out_close;
	im.data = aligned_alloc(4096, im.block_size);
	if (!im.data) {
		code = ctl_error(ctl, -ENOMEM, "a block");
		goto out_close;
	}
	im.start = ctl_now();
	/* A bar would be drawn over what is listed on the same terminal. */
	im.show = !ctl->json && (ctl_option(ctl, "progress") ||
				 (isatty(STDERR_FILENO) &&
				  (output || !isatty(STDOUT_FILENO))));
	code = output ? write_manifest(&im, output) :
			print_manifest(&im, !ctl->json);
	if (!code && ctl->json)
		tell_end(&im, output);
out_close:
	free(im.data);
	close(im.fd);
	return code;
}

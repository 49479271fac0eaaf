// SPDX-License-Identifier: GPL-2.0
/*
 * Hashes by name: the same names and the same bytes as the target computes.
 *
 * The kernel's AF_ALG sockets are asked first, for they have any algorithm that
 * the kernel offers programs.  Newer kernels keep some to themselves (7.3:
 * crc32c), and a seccomp filter or a configuration may leave none: what hash a
 * device may well have is computed here then, by libgcrypt and, what that lacks,
 * by code of our own.
 */
#include <endian.h>
#include <errno.h>
#include <gcrypt.h>
#include <linux/if_alg.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crc32c.h"
#include "gridmissing.h"
#include "le.h"

enum { OWN_CRC32C = -1, OWN_XXHASH64 = -2 };

/* The kernel's name; libgcrypt's algorithm, or one of ours. */
static const struct own {
	const char *name;
	int algorithm;
} owns[] = {
	{ "sha256", GCRY_MD_SHA256 },
	{ "sha512", GCRY_MD_SHA512 },
	{ "sha384", GCRY_MD_SHA384 },
	{ "sha224", GCRY_MD_SHA224 },
	{ "sha1", GCRY_MD_SHA1 },
	{ "md5", GCRY_MD_MD5 },
	{ "md4", GCRY_MD_MD4 },
	{ "rmd160", GCRY_MD_RMD160 },
	{ "sha3-224", GCRY_MD_SHA3_224 },
	{ "sha3-256", GCRY_MD_SHA3_256 },
	{ "sha3-384", GCRY_MD_SHA3_384 },
	{ "sha3-512", GCRY_MD_SHA3_512 },
	{ "blake2b-160", GCRY_MD_BLAKE2B_160 },
	{ "blake2b-256", GCRY_MD_BLAKE2B_256 },
	{ "blake2b-384", GCRY_MD_BLAKE2B_384 },
	{ "blake2b-512", GCRY_MD_BLAKE2B_512 },
	{ "sm3", GCRY_MD_SM3 },
	{ "streebog256", GCRY_MD_STRIBOG256 },
	{ "streebog512", GCRY_MD_STRIBOG512 },
	{ "wp512", GCRY_MD_WHIRLPOOL },
	{ "crc32c", OWN_CRC32C },
	{ "xxhash64", OWN_XXHASH64 },
};

int gm_hash_open_kernel(struct gm_hash *hash, const char *name)
{
	struct sockaddr_alg sa = {
		.salg_family = AF_ALG,
		.salg_type = "hash",
	};
	int err;

	hash->own = 0;
	hash->bound = -1;
	hash->op = -1;
	if (!*name || strlen(name) >= sizeof(sa.salg_name))
		return -ENOENT;
	strcpy((char *)sa.salg_name, name);
	hash->bound = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (hash->bound < 0)
		return -errno;
	if (bind(hash->bound, (struct sockaddr *)&sa, sizeof(sa)))
		goto err_close;
	hash->op = accept4(hash->bound, NULL, NULL, SOCK_CLOEXEC);
	if (hash->op < 0)
		goto err_close;
	return 0;

err_close:
	err = -errno;
	close(hash->bound);
	hash->bound = -1;
	return err;
}

static pthread_once_t gcrypt_once = PTHREAD_ONCE_INIT;
static bool gcrypt_is_there;

/*
 * Once a process, whichever thread comes first; a program that uses libgcrypt
 * for itself may have done so.  Nothing that is hashed is a secret.
 */
static void gcrypt_begin(void)
{
	gcrypt_is_there = gcry_check_version(NULL);
	if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
		return;
	gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

int gm_hash_open_own(struct gm_hash *hash, const char *name)
{
	size_t i;

	hash->bound = -1;
	hash->op = -1;
	for (i = 0; i < sizeof(owns) / sizeof(*owns); i++)
		if (!strcmp(name, owns[i].name))
			break;
	if (i == sizeof(owns) / sizeof(*owns))
		return -ENOENT;
	hash->own = owns[i].algorithm;
	if (hash->own < 0)
		return 0;
	if (pthread_once(&gcrypt_once, gcrypt_begin) || !gcrypt_is_there)
		return -ENOENT;
	return gcry_md_test_algo(hash->own) ? -ENOENT : 0;
}

int gm_hash_open(struct gm_hash *hash, const char *name)
{
	int err = gm_hash_open_kernel(hash, name);

	/* Where a shortage may pass (-EMFILE, -ENOMEM) ours does as well. */
	return err && !gm_hash_open_own(hash, name) ? 0 : err;
}

void gm_hash_close(struct gm_hash *hash)
{
	if (hash->op >= 0)
		close(hash->op);
	if (hash->bound >= 0)
		close(hash->bound);
	hash->op = -1;
	hash->bound = -1;
}

#define XXH_1 0x9e3779b185ebca87ULL
#define XXH_2 0xc2b2ae3d27d4eb4fULL
#define XXH_3 0x165667b19e3779f9ULL
#define XXH_4 0x85ebca77c2b2ae63ULL
#define XXH_5 0x27d4eb2f165667c5ULL

static uint64_t rol(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static uint64_t xxh_round(uint64_t lane, uint64_t input)
{
	return rol(lane + input * XXH_2, 31) * XXH_1;
}

/* xxHash64 with seed 0, by its specification. */
static uint64_t xxhash64(const uint8_t *p, size_t len)
{
	uint64_t lanes[4] = { XXH_1 + XXH_2, XXH_2, 0, 0 - XXH_1 };
	uint64_t h = XXH_5;
	size_t left = len;
	unsigned int i;

	if (left >= 32) {
		for (; left >= 32; left -= 32)
			for (i = 0; i < 4; i++, p += 8)
				lanes[i] = xxh_round(lanes[i], get_le64(p));
		h = rol(lanes[0], 1) + rol(lanes[1], 7) + rol(lanes[2], 12) +
		    rol(lanes[3], 18);
		for (i = 0; i < 4; i++)
			h = (h ^ xxh_round(0, lanes[i])) * XXH_1 + XXH_4;
	}
	h += len;
	for (; left >= 8; left -= 8, p += 8)
		h = rol(h ^ xxh_round(0, get_le64(p)), 27) * XXH_1 + XXH_4;
	if (left >= 4) {
		h = rol(h ^ get_le32(p) * XXH_1, 23) * XXH_2 + XXH_3;
		left -= 4;
		p += 4;
	}
	for (; left; left--, p++)
		h = rol(h ^ *p * XXH_5, 11) * XXH_1;
	h = (h ^ h >> 33) * XXH_2;
	h = (h ^ h >> 29) * XXH_3;
	return h ^ h >> 32;
}

static void own_hash(int algorithm, const void *data, size_t len,
		     uint8_t digest[64])
{
	uint64_t h64;
	uint32_t h32;

	switch (algorithm) {
	case OWN_CRC32C:
		h32 = htole32(~gm_crc32c(UINT32_MAX, data, len));
		memcpy(digest, &h32, sizeof(h32));
		break;
	case OWN_XXHASH64:
		h64 = htole64(xxhash64(data, len));
		memcpy(digest, &h64, sizeof(h64));
		break;
	default:
		gcry_md_hash_buffer(algorithm, digest, data, len);
	}
}

int gm_hash(struct gm_hash *hash, const void *data, size_t len,
	    struct grid_missing_checksum *sum)
{
	uint8_t digest[64] = { 0 };
	size_t sent = 0;
	ssize_t n;
	int err;

	if (hash->own) {
		own_hash(hash->own, data, len, digest);
		memcpy(sum->bytes, digest, sizeof(sum->bytes));
		return 0;
	}
	if (hash->op < 0)
		hash->op = accept4(hash->bound, NULL, NULL, SOCK_CLOEXEC);
	if (hash->op < 0)
		return -errno;
	do {
		/* A short send goes on: MSG_MORE keeps the hash open till then. */
		n = send(hash->op, (const char *)data + sent, len - sent,
			 MSG_MORE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (!n && len))
			goto err_close;
		sent += (size_t)n;
	} while (sent < len);
	do
		n = recv(hash->op, digest, sizeof(digest), 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		goto err_close;
	memcpy(sum->bytes, digest, sizeof(sum->bytes));
	return 0;

err_close:
	/* What it took already would be the beginning of the next hash. */
	err = n < 0 ? -errno : -EIO;
	close(hash->op);
	hash->op = -1;
	return err;
}

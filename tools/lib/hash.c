// SPDX-License-Identifier: GPL-2.0
/*
 * Hashes by name, through the kernel's AF_ALG sockets: the same names and the
 * same bytes as the target computes, for any algorithm the kernel has.
 *
 * Only "sha256" is written out here as well, for machines without AF_ALG: a
 * manifest should be possible anywhere.
 */
#include <errno.h>
#include <linux/if_alg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gridmissing.h"

int gm_hash_open_kernel(struct gm_hash *hash, const char *name)
{
	struct sockaddr_alg sa = {
		.salg_family = AF_ALG,
		.salg_type = "hash",
	};
	int err;

	hash->own = false;
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

int gm_hash_open(struct gm_hash *hash, const char *name)
{
	int err = gm_hash_open_kernel(hash, name);

	if (err == -EAFNOSUPPORT && !strcmp(name, "sha256")) {
		hash->own = true;
		return 0;
	}
	return err;
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

/* FIPS 180-4. */
static uint32_t ror(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

static void sha256_block(uint32_t h[8], const uint8_t *p)
{
	static const uint32_t k[64] = {
		0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
		0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
		0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7,
		0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
		0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152,
		0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
		0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
		0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
		0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
		0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
		0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
		0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
		0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
	};
	uint32_t w[64], v[8], t1, t2;
	unsigned int i;

	for (i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
		       (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] +
		       (ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^
			w[i - 15] >> 3) +
		       (ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10);
	memcpy(v, h, sizeof(v));
	for (i = 0; i < 64; i++) {
		t1 = v[7] + (ror(v[4], 6) ^ ror(v[4], 11) ^ ror(v[4], 25)) +
		     ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
		t2 = (ror(v[0], 2) ^ ror(v[0], 13) ^ ror(v[0], 22)) +
		     ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(*v));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (i = 0; i < 8; i++)
		h[i] += v[i];
}

static void sha256(const uint8_t *data, size_t len, uint8_t out[32])
{
	uint32_t h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	uint64_t bits = (uint64_t)len * 8;
	uint8_t tail[128] = { 0 };
	size_t rest, end, i;

	for (; len >= 64; data += 64, len -= 64)
		sha256_block(h, data);
	rest = len;
	end = rest < 56 ? 64 : 128;
	if (rest)
		memcpy(tail, data, rest);
	tail[rest] = 0x80;
	for (i = 0; i < 8; i++)
		tail[end - 1 - i] = (uint8_t)(bits >> (8 * i));
	for (i = 0; i < end; i += 64)
		sha256_block(h, tail + i);
	for (i = 0; i < 32; i++)
		out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

int gm_hash(struct gm_hash *hash, const void *data, size_t len,
	    struct grid_missing_checksum *sum)
{
	uint8_t digest[64] = { 0 };
	size_t sent = 0;
	ssize_t n;
	int err;

	if (hash->own) {
		sha256(data, len, digest);
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

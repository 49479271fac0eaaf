// SPDX-License-Identifier: GPL-2.0
/*
 * tsckhz: how fast the host's TSC counts, in kHz.  Guests are told: on a loaded
 * host they measure it wrongly, and then every time limit in them is wrong; and
 * reading any other clock leaves the emulator's fast path.
 *
 * The shortest of some readings around each clock says when it was read, so a
 * preemption between the two doesn't count.
 */
#include <stdio.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>

static unsigned long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

struct moment {
	unsigned long long tsc, ns;
};

static struct moment moment(void)
{
	unsigned long long best = ~0ULL, begin, end, ns;
	struct moment m = { 0 };
	int i;

	for (i = 0; i < 64; i++) {
		begin = __rdtsc();
		ns = now_ns();
		end = __rdtsc();
		if (end - begin < best) {
			best = end - begin;
			m.tsc = begin + best / 2;
			m.ns = ns;
		}
	}
	return m;
}

int main(void)
{
	const struct timespec nap = { 0, 200000000 };
	struct moment a = moment(), b;

	nanosleep(&nap, NULL);
	b = moment();
	printf("%llu\n", (b.tsc - a.tsc) * 1000000 / (b.ns - a.ns));
	return 0;
}
#else
int main(void)
{
	return 1;
}
#endif

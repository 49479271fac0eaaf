// SPDX-License-Identifier: GPL-2.0
/* Runs a KUnit suite in userspace; TAP. */
#include <kunit/test.h>
#include <linux/sched.h>
#include <linux/types.h>

int main(void)
{
	struct kunit_case *c;
	int failed = 0, n = 0;

	for (c = shim_suite->test_cases; c->run_case; c++) {
		struct kunit test = { .priv = NULL };

		n++;
		if (shim_suite->init && shim_suite->init(&test)) {
			printf("not ok %d %s.%s: init\n", n, shim_suite->name,
			       c->name);
			failed++;
			continue;
		}
		if (!setjmp(test.out))
			c->run_case(&test);
		if (shim_suite->exit)
			shim_suite->exit(&test);
		printf("%s %d %s.%s\n", test.failed ? "not ok" : "ok", n,
		       shim_suite->name, c->name);
		fflush(stdout);
		failed += !!test.failed;
	}
	printf("1..%d\n", n);
	return failed != 0;
}

// SPDX-License-Identifier: GPL-2.0
/* Runs a KUnit suite in userspace; TAP. */
#include <kunit/test.h>
#include <linux/sched.h>
#include <linux/types.h>

/* One case with one value, or with none; what is wrong with it. */
static int run(const struct kunit_case *c, int n, const void *value,
	       const char *name)
{
	struct kunit test = { .param_value = value };
	const char *why = "";

	if (shim_suite->init && shim_suite->init(&test)) {
		test.failed = 1;
		why = ": init";
		goto out;
	}
	if (!setjmp(test.out))
		c->run_case(&test);
	if (shim_suite->exit)
		shim_suite->exit(&test);
out:
	printf("%s %d %s.%s%s%s%s\n", test.failed ? "not ok" : "ok", n,
	       shim_suite->name, c->name, value ? " " : "", name, why);
	fflush(stdout);
	return !!test.failed;
}

int main(void)
{
	const struct kunit_case *c;
	int failed = 0, n = 0;
	const void *value;

	for (c = shim_suite->test_cases; c->run_case; c++) {
		char name[KUNIT_PARAM_DESC_SIZE] = "";

		value = c->next_param ? c->next_param(NULL, name) : NULL;
		do {
			failed += run(c, ++n, value, name);
			value = value ? c->next_param(value, name) : NULL;
		} while (value);
	}
	printf("1..%d\n", n);
	return failed != 0;
}

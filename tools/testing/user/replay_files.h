/* SPDX-License-Identifier: GPL-2.0 */
/* Without libFuzzer, with -DREPLAY: files through LLVMFuzzerTestOneInput(). */
#ifdef REPLAY
int main(int argc, char **argv)
{
	static u8 data[1 << 16];
	size_t n;
	FILE *f;
	int i;

	for (i = 1; i < argc; i++) {
		f = fopen(argv[i], "rb");
		if (!f) {
			perror(argv[i]);
			return 1;
		}
		n = fread(data, 1, sizeof(data), f);
		fclose(f);
		LLVMFuzzerTestOneInput(data, n);
	}
	printf("%d files\n", argc - 1);
	return argc < 2;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer: feeds the given files, or all files of the given folders,
 * and then changed copies of them, seeded so that a failing run can be repeated (the seed is
 * printed; TALLY_SEED sets it, TALLY_FUZZ_RUNS how many copies, TALLY_FUZZ_SECONDS how long at
 * most). A finding is a sanitizer report or
 * an abort; the input that did it is left in the build folder and its name printed. Owns what it
 * allocates until exit.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define INPUT_MAX (64 * 1024)
#define INPUTS_MAX 4096
#define RUNS_DEFAULT 20000
#define SECONDS_DEFAULT 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* The sanitizers' runtime has it; without one it is NULL. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

struct input {
	uint8_t *data;
	size_t size;
};

static struct input inputs[INPUTS_MAX];
static size_t input_count;
static uint64_t state;

/* splitmix64 */
static uint64_t draw(uint64_t below)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15U);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return (z ^ (z >> 31)) % below;
}

static struct input current;
static char crash_file[4096];

/* Only async-signal-safe calls: it also runs inside abort(). */
static void leave_input(void)
{
	static const char words[] = "the input that did it: ";
	int fd = open(crash_file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	ssize_t done;

	if (fd < 0)
		return;
	done = write(fd, current.data, current.size);
	done = write(STDERR_FILENO, words, sizeof(words) - 1);
	done = write(STDERR_FILENO, crash_file, strlen(crash_file));
	done = write(STDERR_FILENO, "\n", 1);
	(void)done;
	close(fd);
}

static void on_abort(int signal_number)
{
	leave_input();
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void watch(void)
{
	const char *folder = getenv("TALLY_TEST_BUILD");

	snprintf(crash_file, sizeof(crash_file), "%s/fuzz-crash-%ld.bin", folder ? folder : "/tmp",
	         (long)getpid());
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(leave_input);
	signal(SIGABRT, on_abort);
}

static void run(const uint8_t *data, size_t size)
{
	/* An own block of exactly this size, so that the sanitizer sees a read behind it. */
	current = (struct input){ .data = malloc(size ? size : 1), .size = size };
	if (!current.data)
		abort();
	if (size)
		memcpy(current.data, data, size);
	LLVMFuzzerTestOneInput(current.data, size);
	free(current.data);
}

static void load(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct input *in = &inputs[input_count];

	if (!f || input_count == INPUTS_MAX) {
		fprintf(stderr, "%s: cannot be read, or too many inputs\n", path);
		exit(2);
	}
	in->data = malloc(INPUT_MAX);
	if (!in->data)
		abort();
	in->size = fread(in->data, 1, INPUT_MAX, f);
	input_count++;
	fclose(f);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void load_all(const char *path)
{
	struct dirent **entries;
	struct stat st;
	char file[4096];
	int n;

	if (stat(path, &st))
		return; /* a target without a corpus starts from the empty input */
	if (!S_ISDIR(st.st_mode)) {
		load(path);
		return;
	}
	n = scandir(path, &entries, visible, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		load(file);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

/* One to eight changes: a bit, a byte, a cut, a doubled or a foreign piece. */
static size_t change(uint8_t *data, size_t size)
{
	static const char *const words[] = { "null",    "-1", "1e9",  "9223372036854775808",
		                             "\\u0000", "{",  "[",    "\"",
		                             ":",       ",",  "\xff", "\"data\":" };

	for (uint64_t times = 1 + draw(8); times > 0; times--) {
		size_t at = size ? draw(size) : 0;
		size_t piece;
		const char *word;

		switch (draw(5)) {
		case 0:
			if (size)
				data[at] = (uint8_t)(data[at] ^ (1U << draw(8)));
			break;
		case 1:
			if (size)
				data[at] = (uint8_t)draw(256);
			break;
		case 2:
			piece = size ? draw(size - at) : 0;
			memmove(data + at, data + at + piece, size - at - piece);
			size -= piece;
			break;
		case 3:
			piece = size ? draw(size - at) % 256 : 0;
			if (size + piece > INPUT_MAX)
				break;
			memmove(data + at + piece, data + at, size - at);
			size += piece;
			break;
		default:
			word = words[draw(sizeof(words) / sizeof(words[0]))];
			piece = strlen(word);
			if (size + piece > INPUT_MAX)
				break;
			memmove(data + at + piece, data + at, size - at);
			memcpy(data + at, word, piece);
			size += piece;
			break;
		}
	}
	return size;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static bool time_is_left(time_t begin)
{
	static uint64_t seconds;

	if (!seconds)
		seconds = number_from("TALLY_FUZZ_SECONDS", SECONDS_DEFAULT);
	return time(NULL) - begin < (time_t)seconds;
}

int main(int argc, char **argv)
{
	static uint8_t scratch[INPUT_MAX];
	time_t begin = time(NULL);
	uint64_t runs = number_from("TALLY_FUZZ_RUNS", RUNS_DEFAULT);
	size_t size = 0;

	state = number_from("TALLY_SEED", (uint64_t)time(NULL));
	printf("seed %llu, %llu runs\n", (unsigned long long)state, (unsigned long long)runs);
	fflush(stdout);
	watch();
	for (int i = 1; i < argc; i++)
		load_all(argv[i]);
	run(scratch, 0);
	for (size_t i = 0; i < input_count; i++)
		run(inputs[i].data, inputs[i].size);
	for (uint64_t i = 0; i < runs && time_is_left(begin); i++) {
		/* Mostly changes of changes, so that inputs grow far from the corpus too. */
		if (draw(8) == 0) {
			size = 0;
			if (input_count) {
				const struct input *in = &inputs[draw(input_count)];

				memcpy(scratch, in->data, in->size);
				size = in->size;
			}
		}
		size = change(scratch, size);
		run(scratch, size);
	}
	for (size_t i = 0; i < input_count; i++)
		free(inputs[i].data);
	return 0;
}

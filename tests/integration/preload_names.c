/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of a service of several processes, as a cluster's DNS has it: "several.test"
 * stands for the addresses in TALLY_TEST_SEVERAL, a file that is read each time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int look_up_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
	look_up_fn *look_up = (look_up_fn *)dlsym(RTLD_NEXT, "getaddrinfo");
	struct addrinfo **last = out;
	char address[64];
	FILE *file;

	if (!node || strcmp(node, "several.test") != 0)
		return look_up(node, service, hints, out);
	*out = NULL;
	file = fopen(getenv("TALLY_TEST_SEVERAL"), "r");
	while (file && fscanf(file, "%63s", address) == 1) {
		if (look_up(address, service, hints, last) != 0)
			abort();
		while (*last)
			last = &(*last)->ai_next;
	}
	if (file)
		fclose(file);
	return *out ? 0 : EAI_NONAME;
}

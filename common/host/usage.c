/* SPDX-License-Identifier: Apache-2.0 */
#include "common/host/usage.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/timestamp.h"

int64_t usage_resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long long size = 0, resident = 0;
	int found = file ? fscanf(file, "%lld %lld", &size, &resident) : 0;

	if (file)
		fclose(file);
	return found == 2 ? (int64_t)resident * sysconf(_SC_PAGESIZE) : 0;
}

int64_t usage_cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * MS_PER_SECOND +
	       ((int64_t)usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

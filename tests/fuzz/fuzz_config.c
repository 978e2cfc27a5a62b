/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration file of any bytes: it is taken, or refused with at least one
 * line that says why.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/host/config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config; /* too large for a stack */
	struct config_sources sources = { .file = NULL };
	int fd = memfd_create("tally.conf", MFD_CLOEXEC);
	char path[64];
	struct buf faults;
	struct rc rc;

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	sources.file = path;
	buf_init(&faults, NULL);
	rc = config_load(&config, &sources, &faults);
	must(rc_ok(rc) == (faults.len == 0));
	config_release(&config);
	buf_release(&faults);
	close(fd);
	return 0;
}

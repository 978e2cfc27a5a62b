/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks one of our own HTTP servers for a small text: one GET, one answer, one
 * deadline for all of it but the look-up of a host's name.
 *
 * Blocks; for threads that may wait. Fails with RC_UNAVAILABLE where nobody answers
 * in time and RC_PROTOCOL where the answer is not 200 or longer than allowed.
 */
#ifndef TALLY_ADAPTERS_HTTP_FETCH_H
#define TALLY_ADAPTERS_HTTP_FETCH_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/rc.h"

#define HTTP_HOST_BYTES 256

struct http_host {
	char text[HTTP_HOST_BYTES];
};

/* Whom a name stands for: its addresses, of one family, for a machine may have one of each; where
 * there is only one, the name itself. 0: nobody, or a name that is too long. Blocks. */
unsigned http_hosts(const char *name, struct http_host *out, unsigned most);

/* Puts the body into out, which is cleared first; with its head most bytes. */
struct rc http_fetch(const char *host, uint16_t port, const char *path, int64_t timeout_ms,
                     size_t most, struct buf *out);

#endif

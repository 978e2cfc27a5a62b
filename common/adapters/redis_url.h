/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a Redis URL: redis://[[user]:password@]host[:port][/db], rediss:// for TLS,
 * unix:///path[?db]. User and password may be percent-encoded. The parts are
 * copied into fixed buffers.
 */
#ifndef TALLY_ADAPTERS_REDIS_URL_H
#define TALLY_ADAPTERS_REDIS_URL_H

#include "common/base/rc.h"

#define URL_PART_BYTES 256

struct redis_url {
	bool tls, is_unix;
	char host[URL_PART_BYTES]; /* or the socket's path */
	int port;
	char user[URL_PART_BYTES], password[URL_PART_BYTES]; /* "": none */
	int db;
};

/* The words of a failure never hold the password. */
struct rc redis_url_parse(const char *text, struct redis_url *out);

#endif

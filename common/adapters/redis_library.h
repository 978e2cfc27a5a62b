/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of tallyworks_v1.lua, put into the binary at build (cmake/embed.py), so
 * that a worker can load the library into any Redis it meets.
 */
#ifndef TALLY_ADAPTERS_REDIS_LIBRARY_H
#define TALLY_ADAPTERS_REDIS_LIBRARY_H

#include <stddef.h>

#define REDIS_LIBRARY_NAME "tallyworks_v1"

extern const char redis_library[];
extern const size_t redis_library_len;

#endif

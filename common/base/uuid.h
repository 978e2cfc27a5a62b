/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of emitted events: UUID version 5 (RFC 9562), SHA-1 over a namespace and
 * a name. The same facts give the same id, so a replay never makes a new one.
 */
#ifndef TALLY_BASE_UUID_H
#define TALLY_BASE_UUID_H

#include "common/base/str.h"

struct uuid_text {
	char text[36];
};

/* namespace_id: 16 bytes. */
struct uuid_text uuid_v5(const unsigned char namespace_id[16], struct str name);
/* The product's namespace: d83e600e-3f77-4376-8e4e-62cf72187a73, drawn once at random. */
extern const unsigned char tally_uuid_namespace[16];

#endif

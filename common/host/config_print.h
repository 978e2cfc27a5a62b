/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration in words: what is in force, and the documentation.
 *
 * What config_print() writes can be read as a configuration file again. Secrets
 * are masked (and their lines commented out), also those inside redis.url and
 * those of librdkafka. Nothing can fail.
 */
#ifndef TALLY_HOST_CONFIG_PRINT_H
#define TALLY_HOST_CONFIG_PRINT_H

#include "common/host/config.h"

void config_print(const struct config *, struct buf *);
void config_print_json(const struct config *, struct buf *);
/* docs/CONFIG.md. */
void config_document(struct buf *);

/* Is a librdkafka property (without "kafka.") one whose value must not be shown? */
bool config_is_secret(const char *name);

#endif

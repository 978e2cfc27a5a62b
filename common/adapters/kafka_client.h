/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all librdkafka clients of the process share: configuration, logging, the
 * words of its errors.
 *
 * kafka_options are borrowed and must live as long as the clients. Properties
 * given by the operator go to every client; those that the commit protocol stands
 * on cannot be set (kafka_property_check() says so). Every client logs through
 * common/base/log.h and never prints.
 */
#ifndef TALLY_ADAPTERS_KAFKA_CLIENT_H
#define TALLY_ADAPTERS_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "common/adapters/kafka_broker.h"

#define KAFKA_WORDS_KEPT 16
#define TOPIC_NAME_BYTES 256 /* Kafka's limit is 249 characters */

/* A client's opaque: what the callbacks of librdkafka's threads leave behind. */
struct kafka_client {
	rd_kafka_t *rk;
	/* A connection failed or a request timed out since it was last cleared. */
	atomic_bool shaken;
	/* The hashes of some errors' words, and when they were said. */
	_Atomic uint64_t said[KAFKA_WORDS_KEPT];
	_Atomic int64_t said_ms[KAFKA_WORDS_KEPT];
	void *owner;
};

/* A configuration with what all clients have in common. */
struct rc kafka_conf_new(const struct kafka_options *, rd_kafka_conf_t **out);
/* Sets one property; the last step may pass on the rc of the ones before. */
struct rc kafka_conf_put(rd_kafka_conf_t *, const char *name, const char *value);
struct rc kafka_conf_put_int(rd_kafka_conf_t *, const char *name, int64_t value);
/* The operator's properties, put last. */
struct rc kafka_conf_put_properties(rd_kafka_conf_t *, const struct kafka_options *);
/* Every error is in the log already, and comes again as what a call returns. */
void kafka_conf_ignore_errors(rd_kafka_conf_t *);
/* Makes the client; the configuration is used up in any case. */
struct rc kafka_client_open(struct kafka_client *, rd_kafka_type_t, rd_kafka_conf_t *);
/* For a client whose events nobody wants: lets go of those that came. */
void kafka_client_serve(struct kafka_client *);
/* Ends the client at once: nothing is waited for, no group is left in order. */
void kafka_client_close(struct kafka_client *);

/* A failure in librdkafka's words. */
struct rc kafka_fail(rd_kafka_resp_err_t, const char *what);
/* The same for an error object, which is destroyed; NULL is success. */
struct rc kafka_fail_error(rd_kafka_error_t *, const char *what);

/* Copies a record into memory; headers and all. */
struct message kafka_message_copy(const rd_kafka_message_t *, struct arena *);
/* Borrows a record; headers, where there are some, are listed in the arena. */
struct message kafka_message_borrow(const rd_kafka_message_t *, struct arena *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a message was refused: the stable codes that go to the DLQ (tw-reason), what they mean and
 * whether a redrive can heal them.
 *
 * Source of the rule: CONTRACT "DLQ reasons". A code's name never changes once
 * released; infrastructure trouble never has one.
 */
#ifndef TALLY_CODEC_REASON_H
#define TALLY_CODEC_REASON_H

#include "common/base/str.h"

/*
 * C name, code, words, and what heals it: after what a redrive of the very same record is taken
 * (tallyctl dlq redrive), or NULL where upstream has to send another event.
 */
#define REASONS(X)                                                                                \
	X(REASON_NONE, "none", "no reason", NULL)                                                 \
	X(REASON_NOT_JSON, "not_json", "the value is not one JSON document", NULL)                \
	X(REASON_NOT_UTF8, "not_utf8", "the value is not valid UTF-8", NULL)                      \
	X(REASON_DUPLICATE_KEY, "duplicate_key", "an object has the same key twice", NULL)        \
	X(REASON_TOO_DEEP, "too_deep", "the document nests deeper than allowed", NULL)            \
	X(REASON_TOO_LARGE, "too_large", "the value is larger than allowed", NULL)                \
	X(REASON_NULL_VALUE, "null_value", "the record has no value", NULL)                       \
	X(REASON_BAD_ENVELOPE, "bad_envelope", "the CloudEvents envelope is not valid", NULL)     \
	X(REASON_UNKNOWN_TYPE, "unknown_type", "no input of this topic has this event type",      \
	  "all processes run a build that knows the type")                                        \
	X(REASON_MISSING_FIELD, "missing_field", "a required field is absent", NULL)              \
	X(REASON_BAD_FIELD, "bad_field", "a field has a wrong type or a value out of its range",  \
	  NULL)                                                                                   \
	X(REASON_BAD_MONEY, "bad_money", "an amount is not an integer of minor units in range",   \
	  NULL)                                                                                   \
	X(REASON_BAD_SPLITS, "bad_splits",                                                        \
	  "the splits are not 1 to 16 distinct payees with weights", NULL)                        \
	X(REASON_LINES_DO_NOT_SUM, "lines_do_not_sum", "the lines do not add up to the amount",   \
	  NULL)                                                                                   \
	X(REASON_WRONG_KEY, "wrong_key", "the message key is not the id that the data names",     \
	  "its key is taken from the event, as --rekey does")                                     \
	X(REASON_WRONG_PARTITION, "wrong_partition", "the key belongs to another partition",      \
	  "it goes to the partition of its key, as redriven records do")                          \
	X(REASON_TIME_OUT_OF_RANGE, "time_out_of_range", "the event's time is out of range",      \
	  "the time has come, for an event from the future")                                      \
	X(REASON_CURRENCY_UNSUPPORTED, "currency_unsupported", "not the company's currency",      \
	  "the company is published with the currency")                                           \
	X(REASON_CURRENCY_MISMATCH, "currency_mismatch", "not the order's currency", NULL)        \
	X(REASON_ID_CONFLICT, "id_conflict", "this id came before with other content", NULL)      \
	X(REASON_PAYMENT_CONFLICT, "payment_conflict", "the payment or refund had other content", \
	  NULL)                                                                                   \
	X(REASON_ORDER_EXISTS, "order_exists", "the order was created before by another event",   \
	  NULL)                                                                                   \
	X(REASON_PAYEE_UNKNOWN, "payee_unknown", "no such person at the order's time",            \
	  "the person is published as of the order's time")                                       \
	X(REASON_PLAN_UNKNOWN, "plan_unknown",                                                    \
	  "no plan in force for the person at the order's time",                                  \
	  "a plan for the person is published as of the order's time")                            \
	X(REASON_OVER_PAYMENT, "over_payment", "more would be collected than the order's amount", \
	  "a refund of the order has made room")                                                  \
	X(REASON_OVER_REFUND, "over_refund", "more would be refunded than the payment's amount",  \
	  NULL)                                                                                   \
	X(REASON_ORDER_MISSING, "order_missing", "what the event needs did not come in time",     \
	  "the order, and a refund's payment, have come")                                         \
	X(REASON_ORDER_LIMIT, "order_limit", "the order has more events than allowed",            \
	  "what its waiting events need has come")                                                \
	X(REASON_ORDER_ARCHIVED, "order_archived", "the order was archived", NULL)                \
	X(REASON_POISON, "poison", "the record ended the process three times",                    \
	  "a build that survives it runs")

#define REASON_ENUM(name, code, words, heals) name,
enum reason { REASONS(REASON_ENUM) REASON_COUNT };
#undef REASON_ENUM

/* "over_payment" */
const char *reason_code(enum reason);
/* One sentence part for people. */
const char *reason_words(enum reason);
/* "the person is published as of the order's time": after it a redrive heals; NULL: none does. */
const char *reason_healing(enum reason);
/* By its code; REASON_NONE: there is no such reason. */
enum reason reason_find(struct str code);

#endif

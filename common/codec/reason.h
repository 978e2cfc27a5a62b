/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a message was refused: the stable codes that go to the DLQ (tw-reason).
 *
 * Source of the rule: CONTRACT "DLQ reasons". A code's name never changes once
 * released; infrastructure trouble never has one.
 */
#ifndef TALLY_CODEC_REASON_H
#define TALLY_CODEC_REASON_H

/* C name, code, words */
#define REASONS(X)                                                                              \
	X(REASON_NONE, "none", "no reason")                                                         \
	X(REASON_NOT_JSON, "not_json", "the value is not one JSON document")                        \
	X(REASON_NOT_UTF8, "not_utf8", "the value is not valid UTF-8")                              \
	X(REASON_DUPLICATE_KEY, "duplicate_key", "an object has the same key twice")                \
	X(REASON_TOO_DEEP, "too_deep", "the document nests deeper than allowed")                    \
	X(REASON_TOO_LARGE, "too_large", "the value is larger than allowed")                        \
	X(REASON_NULL_VALUE, "null_value", "the record has no value")                               \
	X(REASON_BAD_ENVELOPE, "bad_envelope", "the CloudEvents envelope is not valid")             \
	X(REASON_UNKNOWN_TYPE, "unknown_type", "no input of this topic has this event type")        \
	X(REASON_MISSING_FIELD, "missing_field", "a required field is absent")                      \
	X(REASON_BAD_FIELD, "bad_field", "a field has a wrong type or a value out of its range")    \
	X(REASON_BAD_MONEY, "bad_money", "an amount is not an integer of minor units in range")     \
	X(REASON_BAD_SPLITS, "bad_splits", "the splits are not 1 to 16 distinct payees with weights") \
	X(REASON_LINES_DO_NOT_SUM, "lines_do_not_sum", "the lines do not add up to the amount")     \
	X(REASON_WRONG_KEY, "wrong_key", "the message key is not the id that the data names")       \
	X(REASON_WRONG_PARTITION, "wrong_partition", "the key belongs to another partition")        \
	X(REASON_TIME_OUT_OF_RANGE, "time_out_of_range", "the event's time is out of range")        \
	X(REASON_CURRENCY_UNSUPPORTED, "currency_unsupported", "not the company's currency")        \
	X(REASON_CURRENCY_MISMATCH, "currency_mismatch", "not the order's currency")                \
	X(REASON_ID_CONFLICT, "id_conflict", "this id came before with other content")              \
	X(REASON_PAYMENT_CONFLICT, "payment_conflict", "the payment or refund had other content") \
	X(REASON_ORDER_EXISTS, "order_exists", "the order was created before by another event")     \
	X(REASON_PAYEE_UNKNOWN, "payee_unknown", "no such person at the order's time")              \
	X(REASON_PLAN_UNKNOWN, "plan_unknown", "no plan in force for the person at the order's time") \
	X(REASON_OVER_PAYMENT, "over_payment", "more would be collected than the order's amount")   \
	X(REASON_OVER_REFUND, "over_refund", "more would be refunded than the payment's amount")    \
	X(REASON_ORDER_MISSING, "order_missing", "what the event needs did not come in time")       \
	X(REASON_ORDER_LIMIT, "order_limit", "the order has more events than allowed")              \
	X(REASON_ORDER_ARCHIVED, "order_archived", "the order was archived")                        \
	X(REASON_POISON, "poison", "the record ended the process three times")

#define REASON_ENUM(name, code, words) name,
enum reason { REASONS(REASON_ENUM) REASON_COUNT };
#undef REASON_ENUM

/* "over_payment" */
const char *reason_code(enum reason);
/* One sentence part for people. */
const char *reason_words(enum reason);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "common/host/log_events.h"

#include <stddef.h>

const struct log_event log_events[] = {
	{ "bug", LOG_ERROR,
	  "A condition that must hold does not: the process aborts with the place in the log it "
	  "was "
	  "at. The next start folds again from Redis; a record that does it three times goes to "
	  "the "
	  "dead-letter topic as poison. Report it with the line." },
	{ "entity_unreadable", LOG_ERROR,
	  "A value in Redis is not what this build writes; the shard refuses. Somebody else wrote "
	  "it, or a newer build did: see RUNBOOK, shards." },
	{ "fail_point_unreadable", LOG_ERROR,
	  "TALLY_FAILPOINTS, which is for tests, cannot be read; the process ends." },
	{ "out_of_memory", LOG_ERROR,
	  "The system has no memory left; the process ends with status 71. Lower cache.max.bytes, "
	  "or give the machine more." },
	{ "poison_skipped", LOG_ERROR,
	  "The record at `offset` ended the process three times; it goes to the dead-letter topic "
	  "and the shard goes on. See RUNBOOK, dead letters." },
	{ "shard_left_out", LOG_ERROR,
	  "Transactions failed twice for one shard's sake; it pauses and is tried alone every five "
	  "seconds, the others go on. `reason` says why." },
	{ "shard_refused", LOG_ERROR,
	  "A shard cannot go on without an operator; `reason` says why and what to do. The other "
	  "shards go on, and this one is looked at again every few seconds." },
	{ "transaction_call_hangs", LOG_ERROR,
	  "A call of the transaction outlived its own timeout while brokers answer; the process "
	  "ends "
	  "with status 70 and the next one goes on. Once is the brokers' trouble, often is a "
	  "bug." },
	{ "claim_failed", LOG_WARN,
	  "A shard could not be taken over at `step`; it is tried again. See `error`." },
	{ "cleanup_policy_unknown", LOG_WARN,
	  "The input topic's cleanup.policy could not be read; the shard goes on." },
	{ "drain_timed_out", LOG_WARN,
	  "Finishing took longer than drain.timeout.ms; the process ends with status 75. As safe "
	  "as a crash." },
	{ "ending_at_once", LOG_WARN,
	  "A second signal came while draining; the process ends at once with status 75." },
	{ "kafka_client_error", LOG_WARN,
	  "librdkafka says that something failed: brokers away, TLS, passwords. It tries again. "
	  "The same words of a client come every ten seconds at most." },
	{ "kafka_consumer_error", LOG_WARN, "The consumer reports trouble; it tries again." },
	{ "kafka_consumer_refused", LOG_WARN,
	  "The group refused a step of a rebalance, which has moved on meanwhile." },
	{ "kafka_partition_error", LOG_WARN, "Fetching a partition failed; it is tried again." },
	{ "kafka_unwatched", LOG_WARN,
	  "tally-dashboard gets no answer from the brokers (dashboard.kafka); lag and owners are "
	  "not shown until it does. Figures are not concerned." },
	{ "marker_ignored", LOG_WARN,
	  "A marker names reference data that nobody published; it changes nothing. Who writes "
	  "into the input topic besides tallyctl and upstream?" },
	{ "producer_failed", LOG_WARN,
	  "No transactional producer could be opened; it is tried again. See `error`." },
	{ "redis_error", LOG_WARN,
	  "Redis refused a call (OOM, READONLY, NOPERM, LOADING ...); it is tried again." },
	{ "redis_not_connected", LOG_WARN,
	  "Redis cannot be reached or used; it is tried again. `text` says why." },
	{ "redis_unread", LOG_WARN,
	  "tally-dashboard: a question to Redis failed, `error` says how; once a minute at most." },
	{ "redrive_failed", LOG_WARN,
	  "A redrive that the dashboard was asked for ended early after `records` were sent; "
	  "`error` says why. Asked for again it goes on where it was: nothing is sent twice." },
	{ "reference_record_left_out", LOG_WARN,
	  "A record of the reference topic is not valid and does not count. Only tallyctl should "
	  "write there." },
	{ "reference_unread", LOG_WARN,
	  "The reference topic cannot be read; shards wait before a change of it. It is tried again." },
	{ "reference_unwatched", LOG_WARN,
	  "tally-dashboard cannot read what was published of units (dashboard.kafka); it goes on "
	  "with what it read before and with what boards tell. `error` says why." },
	{ "shard_in_danger", LOG_WARN,
	  "The owner before died: records `from` up to `until` are tried in small steps." },
	{ "transaction_call_waits", LOG_WARN,
	  "A call of the transaction waits for brokers that do not answer; it goes on when they "
	  "do." },
	{ "transaction_failed", LOG_WARN,
	  "A transaction was aborted, or its outcome is not known; what was in it goes out again "
	  "or is folded again." },
	{ "cursor_waits_for_transaction", LOG_INFO,
	  "A shard waits for a dead process's transaction to end." },
	{ "draining", LOG_INFO, "A signal came: the process finishes and ends." },
	{ "ended", LOG_INFO, "The process ends in order." },
	{ "fail_point", LOG_INFO, "A fault that a test ordered happens here." },
	{ "fetch_restarted", LOG_INFO, "The consumer began at another place; it is set right." },
	{ "http_listening", LOG_INFO, "Where /livez, /readyz, /metrics and /shards are served." },
	{ "kafka_client_warning", LOG_INFO, "librdkafka says something that may matter." },
	{ "leaving_group", LOG_INFO, "All shards are finished; the group may give them away." },
	{ "producer_opened", LOG_INFO, "The first transactional producer is ready." },
	{ "producer_renewed", LOG_INFO,
	  "A new transactional producer takes the place of one whose outcome was not known." },
	{ "rebalance", LOG_INFO, "The group gives partitions to this process or takes them back." },
	{ "record_refused", LOG_INFO,
	  "A record went to the dead-letter topic; `reason` as in ERRORS.md, `traceparent` where "
	  "it has one." },
	{ "redis_connected", LOG_INFO, "A connection to Redis is ready." },
	{ "redis_functions_loaded", LOG_INFO, "Our function library was put into Redis." },
	{ "redrive_ended", LOG_INFO,
	  "A redrive that the dashboard was asked for is done; `records` were sent back." },
	{ "redrive_started", LOG_INFO,
	  "Somebody with the dashboard's token asked for a redrive of `topic`, or with `dry_run` "
	  "for what it would do; `reasons` are those asked for." },
	{ "shard_claiming", LOG_INFO, "A shard is taken over, or looks anew; `reason` says why." },
	{ "shard_out_of_danger", LOG_INFO, "What was in danger is folded; full speed again." },
	{ "shard_running", LOG_INFO, "A shard works, from `offset` on." },
	{ "started", LOG_INFO, "The process is up." },
	{ "topic_unknown", LOG_INFO, "A topic's id cannot be read yet; it is tried again." },
	{ "transactions_fenced", LOG_INFO, "A dead process's transaction was ended for it." },
	{ "kafka_append", LOG_DEBUG, "The producer of timer records says something." },
	{ "kafka_client", LOG_DEBUG, "librdkafka says something." },
	{ "kafka_connection", LOG_DEBUG, "A connection to a broker comes or goes." },
	{ .name = NULL },
};

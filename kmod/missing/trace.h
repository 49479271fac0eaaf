/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of grid_missing.ko: every transition of a fault with its reason,
 * and the life of a tracker.  Built out of tree with -I$(src)/kmod.
 *
 *	perf record -e 'grid_missing:*' -a
 *	trace-cmd record -e grid_missing:grid_missing_change -f 'why == 2'
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM grid_missing

#if !defined(_GM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _GM_TRACE_H

#include <linux/tracepoint.h>
#include <uapi/linux/grid_missing.h>

/* clang-format off */
#ifndef GM_TRACE_ENUMS
#define GM_TRACE_ENUMS
/*
 * enum gm_trace_life - what happened to a tracker: the last column of the
 * grid_missing_tracker tracepoint
 */
enum gm_trace_life {
	GM_TRACE_CREATED,
	GM_TRACE_REMOVED,
	GM_TRACE_FREED,
	GM_TRACE_BOUND,
	GM_TRACE_UNBOUND,
	GM_TRACE_SUSPENDED,
	GM_TRACE_RESUMED,
	GM_TRACE_TAKEN,
	GM_TRACE_DURABLE_COMMENCED,
	GM_TRACE_DURABLE_COMPLETED,
	GM_TRACE_CANCELLED_ALL,
	GM_TRACE_JUMP_COMMENCED,
	GM_TRACE_JUMP_COMPLETED,
	GM_TRACE_HELPERS,
	GM_TRACE_MOVED,
};
#endif

#define gm_trace_states							\
	{ GRID_MISSING_STATE_GONE,	"gone" },			\
	{ GRID_MISSING_STATE_WAITING,	"waiting" },			\
	{ GRID_MISSING_STATE_WRITING,	"writing" },			\
	{ GRID_MISSING_STATE_ABORTING,	"aborting" }

#define gm_trace_reasons						\
	{ GRID_MISSING_WHY_ENQUEUED,	  "enqueued" },			\
	{ GRID_MISSING_WHY_DETECTED,	  "detected" },			\
	{ GRID_MISSING_WHY_PROMOTED,	  "promoted" },			\
	{ GRID_MISSING_WHY_COMMENCED,	  "commenced" },		\
	{ GRID_MISSING_WHY_REPAIRED,	  "repaired" },			\
	{ GRID_MISSING_WHY_WRITE_FAILED,  "write-failed" },		\
	{ GRID_MISSING_WHY_VERIFY_FAILED, "verify-failed" },		\
	{ GRID_MISSING_WHY_SUPERSEDED,	  "superseded" },		\
	{ GRID_MISSING_WHY_FREED,	  "freed" },			\
	{ GRID_MISSING_WHY_CANCELLED,	  "cancelled" },		\
	{ GRID_MISSING_WHY_REVERTED,	  "reverted" },			\
	{ GRID_MISSING_WHY_TIMED_OUT,	  "timed-out" },		\
	{ GRID_MISSING_WHY_UNAVAILABLE,	  "unavailable" },		\
	{ GRID_MISSING_WHY_RETRIED,	  "retried" },			\
	{ GRID_MISSING_WHY_WANTED,	  "wanted" },			\
	{ GRID_MISSING_WHY_JUMPED,	  "jumped" }

#define gm_trace_lives							\
	{ GM_TRACE_CREATED,		"created" },			\
	{ GM_TRACE_REMOVED,		"removed" },			\
	{ GM_TRACE_FREED,		"freed" },			\
	{ GM_TRACE_BOUND,		"bound" },			\
	{ GM_TRACE_UNBOUND,		"unbound" },			\
	{ GM_TRACE_SUSPENDED,		"suspended" },			\
	{ GM_TRACE_RESUMED,		"resumed" },			\
	{ GM_TRACE_TAKEN,		"checkpoint-taken" },		\
	{ GM_TRACE_DURABLE_COMMENCED,	"durable-commenced" },		\
	{ GM_TRACE_DURABLE_COMPLETED,	"durable-completed" },		\
	{ GM_TRACE_CANCELLED_ALL,	"cancelled-all" },		\
	{ GM_TRACE_JUMP_COMMENCED,	"jump-commenced" },		\
	{ GM_TRACE_JUMP_COMPLETED,	"jump-completed" },		\
	{ GM_TRACE_HELPERS,		"helpers" },			\
	{ GM_TRACE_MOVED,		"moved" }

/* Lets perf and trace-cmd know the numbers behind the names. */
TRACE_DEFINE_ENUM(GRID_MISSING_STATE_GONE);
TRACE_DEFINE_ENUM(GRID_MISSING_STATE_WAITING);
TRACE_DEFINE_ENUM(GRID_MISSING_STATE_WRITING);
TRACE_DEFINE_ENUM(GRID_MISSING_STATE_ABORTING);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_ENQUEUED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_DETECTED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_PROMOTED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_COMMENCED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_REPAIRED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_WRITE_FAILED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_VERIFY_FAILED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_SUPERSEDED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_FREED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_CANCELLED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_REVERTED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_TIMED_OUT);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_UNAVAILABLE);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_RETRIED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_WANTED);
TRACE_DEFINE_ENUM(GRID_MISSING_WHY_JUMPED);
TRACE_DEFINE_ENUM(GM_TRACE_CREATED);
TRACE_DEFINE_ENUM(GM_TRACE_REMOVED);
TRACE_DEFINE_ENUM(GM_TRACE_FREED);
TRACE_DEFINE_ENUM(GM_TRACE_BOUND);
TRACE_DEFINE_ENUM(GM_TRACE_UNBOUND);
TRACE_DEFINE_ENUM(GM_TRACE_SUSPENDED);
TRACE_DEFINE_ENUM(GM_TRACE_RESUMED);
TRACE_DEFINE_ENUM(GM_TRACE_TAKEN);
TRACE_DEFINE_ENUM(GM_TRACE_DURABLE_COMMENCED);
TRACE_DEFINE_ENUM(GM_TRACE_DURABLE_COMPLETED);
TRACE_DEFINE_ENUM(GM_TRACE_CANCELLED_ALL);
TRACE_DEFINE_ENUM(GM_TRACE_JUMP_COMMENCED);
TRACE_DEFINE_ENUM(GM_TRACE_JUMP_COMPLETED);
TRACE_DEFINE_ENUM(GM_TRACE_HELPERS);
TRACE_DEFINE_ENUM(GM_TRACE_MOVED);

/* A fault changed, or something about it that a helper wants to know. */
TRACE_EVENT(grid_missing_change,
	TP_PROTO(u64 id, u64 address, u8 from, u8 to, u8 why, u32 who),
	TP_ARGS(id, address, from, to, why, who),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, address)
		__field(u32, who)
		__field(u8, from)
		__field(u8, to)
		__field(u8, why)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->address = address;
		__entry->who = who;
		__entry->from = from;
		__entry->to = to;
		__entry->why = why;
	),
	TP_printk("id=%llu address=%llu %s->%s why=%s who=%u",
		__entry->id, __entry->address,
		__print_symbolic(__entry->from, gm_trace_states),
		__print_symbolic(__entry->to, gm_trace_states),
		__print_symbolic(__entry->why, gm_trace_reasons),
		__entry->who)
);

/* Something happened to a whole tracker; value says how much, or which. */
TRACE_EVENT(grid_missing_tracker,
	TP_PROTO(u64 id, enum gm_trace_life what, u64 value),
	TP_ARGS(id, what, value),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, value)
		__field(u32, what)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->value = value;
		__entry->what = what;
	),
	TP_printk("id=%llu %s value=%llu", __entry->id,
		__print_symbolic(__entry->what, gm_trace_lives),
		__entry->value)
);
/* clang-format on */

#endif /* _GM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH missing
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

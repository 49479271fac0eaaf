// SPDX-License-Identifier: GPL-2.0
/*
 * Words for numbers: errnos, states, causes and reasons.
 *
 * An errno means another thing to each who gives it, so there is a dictionary
 * for the calls on a tracker, one for files, one for device-mapper.
 *
 * The sentences for errnos are those of <linux/grid_missing.h>, turned towards
 * a person at a terminal: what is the matter, and what can be done.
 */
#include <errno.h>
#include <string.h>

#include "gridmissing.h"

static const char *plain(int err)
{
	const char *s = strerrordesc_np(err < 0 ? -err : err);

	return s ? s : "unknown error";
}

const char *gm_reason(int err)
{
	switch (err < 0 ? -err : err) {
	case 0:
		return "no error";
	case EACCES:
		return "the file was opened read-only";
	case EPERM:
		return "not permitted: this needs CAP_SYS_ADMIN (root)";
	case ENOTTY:
		return "this kernel's grid_missing doesn't know the call (is the module older than the tool?)";
	case EINVAL:
		return "invalid: a value that cannot be, or not possible in this state";
	case E2BIG:
		return "too many: more values than a table may have (table_values_max), or the module is older than the tool";
	case EFAULT:
		return "bad address";
	case ENXIO:
		return "attached to no tracker";
	case ENODEV:
		return "no such device or tracker";
	case EBUSY:
		return "busy: being written, aborting or still in discard; or a checkpoint, sync jump or cancel is open";
	case EAGAIN:
		return "the device is suspended, or too much is under way: try again";
	case ENOENT:
		return "no fault at this address, or no such table or checkpoint";
	case ESTALE:
		return "there is a fault at this address with another checksum, or a newer one than the data is for";
	case EEXIST:
		return "a value belongs to another active table, or is in the list twice";
	case ENOSPC:
		return "the tracker is full: blocks_max or tables_max is reached";
	case EBADMSG:
		return "the data doesn't match the checksum; nothing was written";
	case ERANGE:
		return "the address lies beyond the end of the device";
	case EOPNOTSUPP:
		return "not possible on this kind of tracker";
	case EIO:
		return "the lower device failed the write, or the metadata did (status says so); the block still waits";
	case ECANCELED:
		return "the block was freed or cancelled while it was being written";
	case ENOMEM:
		return "out of memory; nothing was done";
	case EINTR:
		return "interrupted before anything was done";
	case ENOTBLK:
		return "not a block device";
	default:
		return plain(err);
	}
}

const char *gm_open_reason(int err)
{
	switch (err < 0 ? -err : err) {
	case EACCES:
		return "permission denied";
	case EPERM:
		return "not permitted (write-protected, or this needs root)";
	case ENOENT:
		return "there is no such file or device";
	case ENODEV:
	case ENXIO:
		return "no device is behind this name";
	case EBUSY:
		return "in use by something that wants it alone (mounted, or part of another device)";
	case EROFS:
		return "write-protected";
	case ENOTBLK:
		return "not a block device";
	case ENOMEDIUM:
		return "no medium in the drive";
	default:
		return plain(err);
	}
}

const char *gm_dm_reason(int err)
{
	switch (err < 0 ? -err : err) {
	case ENXIO:
	case ENODEV:
		return "there is no such dm device";
	case ENOSYS:
		return "device-mapper is not there: no /dev/mapper/control (modprobe dm_mod)";
	case EACCES:
	case EPERM:
		return "not permitted: device-mapper is for root";
	case EBUSY:
		return "the device is in use, or its name or uuid taken";
	case EEXIST:
		return "a dm device of this name or uuid exists already";
	case EINVAL:
		return "refused by device-mapper or its target; the kernel's log says why (dmesg)";
	default:
		return plain(err);
	}
}

static const char *name_of(const char *const *names, unsigned int count,
			   unsigned int i)
{
	return i < count && names[i] ? names[i] : "?";
}

#define NAME_OF(names, i) name_of(names, sizeof(names) / sizeof(*(names)), i)

const char *gm_state_name(unsigned int state)
{
	static const char *const names[] = {
		[GRID_MISSING_STATE_GONE] = "gone",
		[GRID_MISSING_STATE_WAITING] = "waiting",
		[GRID_MISSING_STATE_WRITING] = "writing",
		[GRID_MISSING_STATE_ABORTING] = "aborting",
	};

	return NAME_OF(names, state);
}

const char *gm_cause_name(unsigned int cause)
{
	static const char *const names[] = {
		[GRID_MISSING_CAUSE_BLOCK] = "block",
		[GRID_MISSING_CAUSE_TABLE_INDEX] = "table_index",
		[GRID_MISSING_CAUSE_TABLE_VALUE] = "table_value",
	};

	return NAME_OF(names, cause);
}

const char *gm_why_name(unsigned int reason)
{
	static const char *const names[] = {
		[GRID_MISSING_WHY_ENQUEUED] = "enqueued",
		[GRID_MISSING_WHY_DETECTED] = "detected",
		[GRID_MISSING_WHY_PROMOTED] = "promoted",
		[GRID_MISSING_WHY_COMMENCED] = "commenced",
		[GRID_MISSING_WHY_REPAIRED] = "repaired",
		[GRID_MISSING_WHY_WRITE_FAILED] = "write-failed",
		[GRID_MISSING_WHY_VERIFY_FAILED] = "verify-failed",
		[GRID_MISSING_WHY_SUPERSEDED] = "superseded",
		[GRID_MISSING_WHY_FREED] = "freed",
		[GRID_MISSING_WHY_CANCELLED] = "cancelled",
		[GRID_MISSING_WHY_REVERTED] = "reverted",
		[GRID_MISSING_WHY_TIMED_OUT] = "timed-out",
		[GRID_MISSING_WHY_UNAVAILABLE] = "unavailable",
		[GRID_MISSING_WHY_RETRIED] = "retried",
		[GRID_MISSING_WHY_WANTED] = "wanted",
		[GRID_MISSING_WHY_JUMPED] = "jumped",
		[GRID_MISSING_WHY_VALUES_ENQUEUED] = "values-enqueued",
		[GRID_MISSING_WHY_TABLE_DONE] = "table-done",
		[GRID_MISSING_WHY_TABLE_CANCELLED] = "table-cancelled",
		[GRID_MISSING_WHY_CHECKPOINT_TAKEN] = "checkpoint-taken",
		[GRID_MISSING_WHY_CHECKPOINT_COMMENCED] =
			"checkpoint-commenced",
		[GRID_MISSING_WHY_CHECKPOINT_DURABLE] = "checkpoint-durable",
		[GRID_MISSING_WHY_CHECKPOINT_REVERTED] = "checkpoint-reverted",
		[GRID_MISSING_WHY_JUMP_COMMENCED] = "jump-commenced",
		[GRID_MISSING_WHY_JUMP_COMPLETED] = "jump-completed",
		[GRID_MISSING_WHY_SUSPENDED] = "suspended",
		[GRID_MISSING_WHY_RESUMED] = "resumed",
	};

	return NAME_OF(names, reason);
}

const char *gm_table_state_name(unsigned int state)
{
	static const char *const names[] = {
		[GRID_MISSING_TABLE_INDEXING] = "indexing",
		[GRID_MISSING_TABLE_FILLING] = "filling",
		[GRID_MISSING_TABLE_DONE] = "done",
		[GRID_MISSING_TABLE_CANCELLED] = "cancelled",
	};

	return NAME_OF(names, state);
}

const char *gm_released_name(uint32_t flags)
{
	return flags & GRID_MISSING_RELEASED_FREED ? "freed" :
	       flags & GRID_MISSING_RELEASED_TAKEN ? "taken" :
	       flags & GRID_MISSING_RELEASED_OPEN  ? "released" :
						     "?";
}

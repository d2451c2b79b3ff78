/* sandbox_disk.c: a full disk, said and survived. */
#include "sandbox_disk.h"

#include "disk_reserve.h"
#include "lib/log.h"
#include "message.h"

/* Below it the disk counts as full; from twice that on it doesn't any more. */
#define FULL_BYTES ((int64_t)512 << 10)
#define FULL_INODES 8
/* Claude Code writes its state when it starts and as it works, and may wait for ever where it can't. */
#define SILENT_MS 10000

static void add_size(struct buf *out, int64_t bytes)
{
	buf_addf(out, "%.1f MiB", (double)bytes / (double)(1 << 20));
}

void sandbox_disk_words(const struct sandbox *sb, struct buf *out)
{
	struct disk_room room = { 0 };
	(void)disk_room(sb->instance.disk, &room);
	buf_add_str(out, "The sandbox's disk is full: ");
	add_size(out, room.total - room.left);
	buf_add_str(out, " of ");
	add_size(out, room.total);
	if (room.inodes_left < FULL_INODES)
		buf_add_str(out, ", and all of the files that it can hold,");
	buf_add_str(
		out,
		" are used (SANDBOX_DISK). Remove files with the tool Bash, for instance rm -rf /tmp/*; what is large "
		"is shown by du -xah /workspace /home/agent /tmp | sort -h | tail");
}

static bool is_full(const struct disk_room *room, int64_t times)
{
	return room->left < times * FULL_BYTES || room->inodes_left < times * FULL_INODES;
}

/* What was given isn't the user's to fill. */
static bool is_full_for_user(const struct sandbox *sb, struct disk_room room)
{
	if (!sb->reserve_kept)
		room.left -= disk_reserve_size(sb->daemon->conf.sandbox_disk);
	return is_full(&room, sb->disk_full ? 2 : 1);
}

/* The reserve is a task's only: what a tool leaves running would fill it as well. */
static void give_reserve(struct sandbox *sb, struct disk_room *room)
{
	if (!disk_reserve_give(sb->instance.disk))
		return;
	sb->reserve_kept = false;
	log_about(LOG_INFO, &sb->ids, "the disk is full; the task gets what was held back");
	(void)disk_room(sb->instance.disk, room);
}

static void keep_reserve(struct sandbox *sb, struct disk_room *room)
{
	int64_t size = disk_reserve_size(sb->daemon->conf.sandbox_disk);
	if (sb->reserve_kept || room->left < size + 2 * FULL_BYTES)
		return;
	sb->reserve_kept = disk_reserve_keep(sb->instance.disk, size);
	(void)disk_room(sb->instance.disk, room);
}

static void tell(struct sandbox *sb, bool full)
{
	autobuf text = { 0 }, body = { 0 };
	sb->disk_full = full;
	if (full)
		sandbox_disk_words(sb, &text);
	else
		buf_add_str(&text, "The sandbox's disk has room again");
	log_about(LOG_INFO, &sb->ids, "%s", full ? "its disk is full" : "its disk has room again");
	message_status(&body, sandbox_status(sb), buf_cstr(&text));
	sandbox_say(sb, NULL, &body);
}

static void end_silent_task(struct sandbox *sb, uint64_t now)
{
	struct job *task = sb->task;
	if (!task->turn || task->disk_full || now - task->line_at < SILENT_MS)
		return;
	task->disk_full = true;
	job_execute_cancel(task);
}

static void look(struct sandbox *sb, uint64_t now, struct disk_room *room)
{
	if (!sb->task)
		keep_reserve(sb, room);
	bool full = is_full_for_user(sb, *room);
	if (full != sb->disk_full)
		tell(sb, full);
	if (!sb->task || !is_full(room, 1))
		return;
	give_reserve(sb, room);
	if (is_full(room, 1))
		end_silent_task(sb, now);
}

void sandbox_disk_tick(struct sandbox *sb, uint64_t now)
{
	struct disk_room room;
	if (sb->instance.limited && !sb->working && disk_room(sb->instance.disk, &room))
		look(sb, now, &room);
}

bool sandbox_disk_for_task(struct sandbox *sb, struct buf *error)
{
	struct disk_room room;
	if (!sb->instance.limited || !disk_room(sb->instance.disk, &room) || !is_full(&room, 1))
		return true;
	give_reserve(sb, &room);
	if (!is_full(&room, 1))
		return true;
	sandbox_disk_words(sb, error);
	return false;
}

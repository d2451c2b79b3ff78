/* disk.c: ext4 in a file, by way of a loop device. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define LOOP_MAJOR 7
#define LOOP_TRIES 50
#define UNMOUNT_TRIES 10
#define WAIT_NS 10000000L
#define LOCK_TRIES 1000 /* of 10 ms */

static bool fail(struct buf *error, const char *what, const char *path)
{
	if (error)
		buf_addf(error, "cannot %s %s: %s", what, path, strerror(errno));
	return false;
}

bool disk_own_mounts(struct buf *error)
{
	if (unshare(CLONE_NEWNS) < 0)
		return errno == EPERM ? true : fail(error, "have", "mounts of its own");
	/* What the host mounts and unmounts later is followed, in one direction only. */
	if (mount(NULL, "/", "none", MS_SLAVE | MS_REC, NULL) < 0)
		return fail(error, "keep to itself the mounts below", "/");
	return true;
}

/* ---- mkfs and fsck ---- */

static int wait_exit(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int spawn(const char *program, const char *const *argv, int errors)
{
	posix_spawn_file_actions_t actions;
	if (posix_spawn_file_actions_init(&actions) != 0)
		return -1;
	pid_t pid;
	char *environment[] = { NULL };
	char *const *args;
	memcpy(&args, &argv, sizeof(args)); /* posix_spawn() doesn't write to them */
	bool started = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0 &&
		       posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0) == 0 &&
		       posix_spawn_file_actions_adddup2(&actions, errors, 2) == 0 &&
		       posix_spawn(&pid, program, &actions, NULL, args, environment) == 0;
	(void)posix_spawn_file_actions_destroy(&actions);
	return started ? wait_exit(pid) : -1;
}

/* Runs the program; an exit code above the last good one is a failure, with what it said in *error. */
static bool run(const char *const *argv, int last_good, struct buf *error)
{
	autoclose int errors = memfd_create("errors", MFD_CLOEXEC);
	if (errors < 0)
		return fail(error, "run", argv[0]);
	int code = spawn(argv[0], argv, errors);
	if (code >= 0 && code <= last_good)
		return true;
	char text[300];
	ssize_t n = pread(errors, text, sizeof(text), 0);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	buf_addf(error, "%s failed with code %d: %.*s", argv[0], code, n > 0 ? (int)n : 0, text);
	return false;
}

static bool make_file(const char *image, int64_t size, struct buf *error)
{
	autoclose int fd = open(image, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, size) < 0)
		return fail(error, "make", image);
	return true;
}

/* No journal: the host's file system has one, and a sandbox doesn't outlive a crash of the kernel. One inode for 8 KiB:
 * node_modules are many small files. Zeroing the tables by and by would fill the sparse file. */
bool disk_make(const char *image, int64_t size, struct buf *error)
{
	const char *const mkfs[] = { "/sbin/mkfs.ext4",
				     "-q",
				     "-F",
				     "-m",
				     "0",
				     "-i",
				     "8192",
				     "-O",
				     "^has_journal",
				     "-E",
				     "nodiscard,lazy_itable_init=1",
				     image,
				     NULL };
	if (!make_file(image, size, error))
		return false;
	if (run(mkfs, 0, error))
		return true;
	(void)unlink(image);
	return false;
}

/* ---- loop devices ---- */

/* Where /dev isn't the kernel's own, as in containers, the node has to be made. */
static int open_loop(int number)
{
	char path[32];
	(void)snprintf(path, sizeof(path), "/dev/loop%d", number);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT &&
	    (mknod(path, S_IFBLK | 0600, makedev(LOOP_MAJOR, (unsigned)number)) == 0 || errno == EEXIST))
		fd = open(path, O_RDWR | O_CLOEXEC);
	return fd;
}

/* A loop device on the file; it goes when its last user goes. Another process may take the free one first. */
static int attach(int file, int *number)
{
	autoclose int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return -1;
	struct loop_config config = { .fd = (unsigned)file, .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
	for (int tries = 0; tries < LOOP_TRIES; tries++) {
		*number = ioctl(control, LOOP_CTL_GET_FREE);
		autoclose int device = *number < 0 ? -1 : open_loop(*number);
		if (device < 0)
			return -1;
		if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
			return steal_fd(&device);
		if (errno != EBUSY)
			return -1;
	}
	return -1;
}

/* A daemon that was killed leaves the device for a moment, until the kernel has taken its mounts down: two of them on
 * one file would ruin it. The device holds the lock, which belongs to the open file. */
static int open_alone(const char *image, struct buf *error)
{
	autoclose int file = open(image, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0) {
		(void)fail(error, "open", image);
		return -1;
	}
	for (int tries = 0; flock(file, LOCK_EX | LOCK_NB) < 0; tries++) {
		if (errno != EWOULDBLOCK || tries == LOCK_TRIES) {
			(void)fail(error, "have alone", image);
			return -1;
		}
		(void)nanosleep(&(struct timespec){ .tv_nsec = WAIT_NS }, NULL);
	}
	return steal_fd(&file);
}

static bool mount_loop(const char *image, int file, const char *dir, struct buf *error)
{
	int number = -1;
	autoclose int device = attach(file, &number);
	if (device < 0)
		return fail(error, "have a loop device for", image);
	char path[32];
	(void)snprintf(path, sizeof(path), "/dev/loop%d", number);
	/* discard: what is deleted is given back to the host. */
	if (mount(path, dir, "ext4", MS_NODEV | MS_NOSUID | MS_NOATIME, "discard,noinit_itable") < 0)
		return fail(error, "mount", dir);
	return true;
}

bool disk_mount(const char *image, const char *dir, struct buf *error)
{
	/* Quick when it is clean. 1: errors were found and corrected. */
	const char *const fsck[] = { "/sbin/e2fsck", "-p", image, NULL };
	autoclose int file = open_alone(image, error);
	return file >= 0 && run(fsck, 1, error) && mount_loop(image, file, dir, error);
}

bool disk_unmount(const char *dir, struct buf *error)
{
	for (int tries = 0; tries < UNMOUNT_TRIES; tries++) {
		if (umount2(dir, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
			return true;
		if (errno != EBUSY)
			return errno == EPERM && geteuid() != 0 ? true : fail(error, "unmount", dir);
		(void)nanosleep(&(struct timespec){ .tv_nsec = WAIT_NS }, NULL);
	}
	if (umount2(dir, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
		return true;
	return fail(error, "unmount", dir);
}

/* ---- does it work here? ---- */

static bool try_disk(const char *dir, struct buf *why)
{
	autobuf image = { 0 }, point = { 0 };
	buf_addf(&image, "%s/probe-%d.img", dir, (int)getpid());
	buf_addf(&point, "%s/probe-%d", dir, (int)getpid());
	const char *image_path = buf_cstr(&image), *point_path = buf_cstr(&point);
	(void)unlink(image_path);
	if (mkdir(point_path, 0700) < 0 && errno != EEXIST)
		return fail(why, "make", point_path);
	bool works = disk_make(image_path, 16 << 20, why) && disk_mount(image_path, point_path, why) &&
		     disk_unmount(point_path, why);
	(void)unlink(image_path);
	(void)rmdir(point_path);
	return works;
}

bool disk_works(const char *dir, struct buf *why)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static enum { UNKNOWN, NO, YES } answer;
	static char reason[300];
	(void)pthread_mutex_lock(&lock);
	if (answer == UNKNOWN) {
		autobuf text = { 0 };
		answer = geteuid() == 0 && try_disk(dir, &text) ? YES : NO;
		(void)snprintf(reason, sizeof(reason), "%s", geteuid() == 0 ? buf_cstr(&text) : "only root can mount");
	}
	bool works = answer == YES;
	if (!works && why)
		buf_add_str(why, reason);
	(void)pthread_mutex_unlock(&lock);
	return works;
}

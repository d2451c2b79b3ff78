/* instance.c: the directories of one sandbox. The mode of INST says how far it is: 0700 while it is being made. */
#include "instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "disk.h"
#include "disk_reserve.h"
#include "etc.h"
#include "lib/cleanup.h"
#include "lib/uuid.h"
#include "tree.h"

#define WHOLE 0711
#define UNFINISHED 0700
#define FIRST_SANDBOX 2 /* of the range of users; before it the gateways' and the cache's */

static bool is_root(void)
{
	return geteuid() == 0;
}

static uid_t user(const struct conf *conf, unsigned number)
{
	return is_root() ? (uid_t)conf->sandbox_uid_base + number : geteuid();
}

uid_t instance_gateway_uid(const struct conf *conf)
{
	return user(conf, 0);
}

uid_t instance_cache_uid(const struct conf *conf)
{
	return user(conf, 1);
}

static char *path(const char *dir, const char *name)
{
	struct buf text = { 0 };
	buf_addf(&text, "%s/%s", dir, name);
	(void)buf_cstr(&text);
	return text.data;
}

void instance_init(struct instance *i, const struct conf *conf, const char *session, unsigned slot)
{
	*i = (struct instance){ .slot = slot };
	(void)snprintf(i->session, sizeof(i->session), "%s", session);
	i->uid = user(conf, FIRST_SANDBOX + slot);
	i->gid = is_root() ? (gid_t)i->uid : getegid();
	autofree char *all = path(conf->sandbox_dir, "inst");
	i->dir = path(all, session);
	i->disk = path(i->dir, "disk");
	i->home = path(i->disk, "home");
	i->repo = path(i->disk, "repo");
	i->tmp = path(i->disk, "tmp");
	i->run = path(i->dir, "run");
	i->etc = path(i->dir, "etc");
	i->shadow = path(i->dir, "shadow");
	i->scratch = path(i->dir, "tmpgit");
}

void instance_free(struct instance *i)
{
	char *paths[] = { i->dir, i->disk, i->home, i->repo, i->tmp, i->run, i->etc, i->shadow, i->scratch };
	for (size_t n = 0; n < sizeof(paths) / sizeof(*paths); n++)
		free(paths[n]);
	*i = (struct instance){ 0 };
}

static bool fail(struct buf *error, const char *what, const char *name)
{
	buf_addf(error, "cannot %s %s: %s", what, name, strerror(errno));
	return false;
}

/* By a descriptor: what was made is what is given away. */
static bool make_dir(const char *name, mode_t mode, uid_t uid, gid_t gid, struct buf *error)
{
	if (mkdir(name, 0700) < 0 && errno != EEXIST)
		return fail(error, "make", name);
	autoclose int fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || (is_root() && fchown(fd, uid, gid) < 0) || fchmod(fd, mode) < 0)
		return fail(error, "set the owner of", name);
	return true;
}

static bool make_ours(const char *name, mode_t mode, struct buf *error)
{
	return make_dir(name, mode, geteuid(), getegid(), error);
}

/* SANDBOX_DIR and the directory of all instances: the sandboxes' users pass through and see nothing. */
static bool make_parents(const struct conf *conf, struct buf *error)
{
	autofree char *all = path(conf->sandbox_dir, "inst");
	return make_ours(conf->sandbox_dir, 0711, error) && make_ours(all, 0711, error);
}

static bool wants_disk(const struct conf *conf)
{
	return conf->sandbox_disk > 0 && disk_works(conf->sandbox_dir, NULL);
}

static bool make_disk(struct instance *i, const struct conf *conf, struct buf *error)
{
	if (!make_ours(i->disk, 0711, error))
		return false;
	if (wants_disk(conf)) {
		autofree char *image = path(i->dir, "disk.img");
		autofree char *found = path(i->disk, "lost+found");
		if (!disk_make(image, conf->sandbox_disk, error) || !disk_mount(image, i->disk, error))
			return false;
		i->limited = true;
		(void)rmdir(found);
		if (!make_ours(i->disk, 0711, error))
			return false;
		/* Before the clone: that may fill it. */
		(void)disk_reserve_keep(i->disk, disk_reserve_size(conf->sandbox_disk));
	}
	return make_dir(i->home, 0700, i->uid, i->gid, error) && make_dir(i->repo, 0700, i->uid, i->gid, error) &&
	       make_dir(i->tmp, 0700, i->uid, i->gid, error);
}

/* What lies beside the disk. The sockets of gateways before are removed: nobody listens on them; and /etc is what the
 * host's is now. */
static bool make_rest(struct instance *i, const struct conf *conf, struct buf *error)
{
	uid_t gateway = instance_gateway_uid(conf), cache = instance_cache_uid(conf);
	return tree_remove(i->run, error) && tree_remove(i->scratch, error) && tree_remove(i->etc, error) &&
	       make_dir(i->run, 0711, gateway, (gid_t)gateway, error) &&
	       make_dir(i->shadow, 0755, cache, (gid_t)cache, error) &&
	       make_dir(i->scratch, 0700, i->uid, i->gid, error) && make_ours(i->etc, 0755, error) &&
	       etc_write(i->etc, conf, error);
}

bool instance_create(struct instance *i, const struct conf *conf, struct buf *error)
{
	if (!instance_remove(i, error) || !make_parents(conf, error))
		return false;
	if (make_ours(i->dir, UNFINISHED, error) && make_disk(i, conf, error) && make_rest(i, conf, error) &&
	    make_ours(i->dir, WHOLE, error))
		return true;
	autobuf ignored = { 0 };
	(void)instance_remove(i, &ignored);
	return false;
}

bool instance_is_whole(const struct instance *i)
{
	struct stat st;
	return lstat(i->dir, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 0777) == WHOLE;
}

static bool is_whole(const char *dir, struct buf *error)
{
	struct stat st;
	if (lstat(dir, &st) < 0)
		return fail(error, "find", dir);
	if (!S_ISDIR(st.st_mode) || (st.st_mode & 0777) != WHOLE) {
		buf_addf(error, "%s was never finished", dir);
		return false;
	}
	return true;
}

static bool mount_again(struct instance *i, struct buf *error)
{
	autofree char *image = path(i->dir, "disk.img");
	struct stat st;
	i->limited = false;
	if (lstat(image, &st) < 0)
		return errno == ENOENT ? true : fail(error, "find", image);
	if (!disk_unmount(i->disk, error) || !disk_mount(image, i->disk, error))
		return false;
	i->limited = true;
	return true;
}

/* Its slot may be another one than before, and so its user. */
static bool give(const char *dir, const struct instance *i, struct buf *error)
{
	struct stat st;
	if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return fail(error, "find", dir);
	if (is_root() && !tree_chown(dir, i->uid, i->gid))
		return fail(error, "give away", dir);
	return make_dir(dir, st.st_mode & 0777, i->uid, i->gid, error);
}

bool instance_adopt(struct instance *i, const struct conf *conf, struct buf *error)
{
	return is_whole(i->dir, error) && mount_again(i, error) && give(i->home, i, error) && give(i->repo, i, error) &&
	       give(i->tmp, i, error) && make_rest(i, conf, error);
}

bool instance_remove(struct instance *i, struct buf *error)
{
	struct stat st;
	if (lstat(i->dir, &st) < 0 && errno == ENOENT)
		return true;
	if (!disk_unmount(i->disk, error) || !tree_remove(i->dir, error))
		return false;
	i->limited = false;
	return true;
}

void instance_each(const struct conf *conf, void (*visit)(const char *session, void *arg), void *arg)
{
	autofree char *all = path(conf->sandbox_dir, "inst");
	autobuf names = { 0 };
	DIR *dir = opendir(all);
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (uuid_valid(slice_of(e->d_name)))
			buf_add(&names, e->d_name, strlen(e->d_name) + 1);
	if (dir)
		(void)closedir(dir);
	for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1)
		visit(names.data + at, arg);
}

int64_t instance_used(const struct instance *i)
{
	struct statvfs fs;
	if (!i->limited)
		return tree_size(i->disk);
	if (statvfs(i->disk, &fs) < 0)
		return -1;
	return (int64_t)((fs.f_blocks - fs.f_bfree) * fs.f_frsize);
}

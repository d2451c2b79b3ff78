/* git_cache_trim.c: keeps the cache of repositories within its bound. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "gate.h"
#include "git_cache.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "tree.h"

/* In units of SANDBOX_REPO_MAX. */
#define BOUND 10
#define GONE ".gone"

struct entry {
	char *path;
	time_t used;
	int64_t size;
};

struct trim {
	uv_work_t work;
	char *dir;
	int64_t bound;
	struct entry *entries; /* after choose(): those to go */
	size_t count;
};

/* One at a time. */
static bool under_way;

static void free_trim(struct trim *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->entries[i].path);
	free(t->entries);
	free(t->dir);
	free(t);
	under_way = false;
}

static void take(struct trim *t, const char *name)
{
	struct buf path = { 0 };
	struct stat st;
	buf_addf(&path, "%s/%s", t->dir, name);
	if (lstat(buf_cstr(&path), &st) < 0 || !S_ISDIR(st.st_mode)) {
		buf_free(&path);
		return;
	}
	int64_t size = tree_size(path.data);
	t->entries = xrealloc(t->entries, (t->count + 1) * sizeof(*t->entries));
	/* What was to be removed when the daemon ended, and what this one doesn't use, go first. */
	bool gone = strncmp(name, GIT_CACHE_PREFIX, strlen(GIT_CACHE_PREFIX)) != 0 ||
		    (path.len > sizeof(GONE) && strcmp(path.data + path.len - strlen(GONE), GONE) == 0);
	t->entries[t->count++] = (struct entry){ path.data, gone ? 0 : st.st_mtime, size > 0 ? size : 0 };
}

static int by_age(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return (x->used > y->used) - (x->used < y->used);
}

/* Leaves the oldest in entries, those that are more than the bound. */
static void choose(uv_work_t *work)
{
	struct trim *t = work->data;
	DIR *dir = opendir(t->dir);
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (e->d_name[0] != '.')
			take(t, e->d_name);
	if (dir)
		(void)closedir(dir);
	if (t->count)
		qsort(t->entries, t->count, sizeof(*t->entries), by_age);
	int64_t total = 0;
	size_t going = 0;
	for (size_t i = 0; i < t->count; i++)
		total += t->entries[i].size;
	while (going < t->count && (total > t->bound || t->entries[going].used == 0))
		total -= t->entries[going++].size;
	for (size_t i = going; i < t->count; i++)
		free(t->entries[i].path);
	t->count = going;
}

static void not_opened(void *user)
{
	(void)user;
}

/* Out of the way under another name, if nobody uses it; *path becomes that name, or empty. */
static void set_aside(char **path)
{
	struct gate_pass pass;
	autobuf gone = { 0 };
	buf_addf(&gone, "%s" GONE, *path);
	bool free_now = gate_enter(&pass, *path, GATE_ALL, GATE_ALL, not_opened, NULL);
	bool done = free_now && rename(*path, buf_cstr(&gone)) == 0;
	gate_leave(&pass);
	if (done)
		log_info(NULL, "removing %s from the cache of repositories", *path);
	free(*path);
	*path = done ? xstrdup(gone.data) : NULL;
}

static void remove_all(uv_work_t *work)
{
	struct trim *t = work->data;
	for (size_t i = 0; i < t->count; i++) {
		autobuf error = { 0 };
		if (t->entries[i].path && !tree_remove(t->entries[i].path, &error))
			log_warn(NULL, "%s", buf_cstr(&error));
	}
}

static void on_removed(uv_work_t *work, int status)
{
	(void)status;
	free_trim(work->data);
}

static void on_chosen(uv_work_t *work, int status)
{
	struct trim *t = work->data;
	for (size_t i = 0; i < t->count; i++)
		if (t->entries[i].used)
			set_aside(&t->entries[i].path);
	if (status < 0 || !t->count || uv_queue_work(work->loop, work, remove_all, on_removed) < 0)
		free_trim(t);
}

void git_cache_trim(uv_loop_t *loop, const struct conf *conf)
{
	if (under_way)
		return;
	under_way = true;
	struct trim *t = xcalloc(1, sizeof(*t));
	autobuf dir = { 0 };
	buf_addf(&dir, "%s/cache", conf->sandbox_dir);
	t->dir = xstrdup(buf_cstr(&dir));
	t->bound = BOUND * conf->sandbox_repo_max;
	t->work.data = t;
	if (uv_queue_work(loop, &t->work, choose, on_chosen) < 0)
		free_trim(t);
}

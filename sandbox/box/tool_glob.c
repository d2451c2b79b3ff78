/* tool_glob.c: Glob: files whose paths match a pattern, newest first. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "found.h"
#include "glob.h"
#include "tool.h"

#define MAX_FILES 100000
#define MAX_VISITED 2000000
#define MAX_DEPTH 500

struct search {
	struct glob glob;
	struct found found;
	struct buf path; /* of the current directory, absolute, with a slash behind it */
	size_t base;	 /* how much of it the pattern doesn't speak of */
	size_t visited;
	bool cut;
};

static void free_search(struct search *s)
{
	glob_free(&s->glob);
	found_free(&s->found);
	buf_free(&s->path);
}

static bool is_skipped(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".git") == 0;
}

/* A symbolic link to a file counts as one. */
static void look_at_file(struct search *s, int dir, const char *name)
{
	struct stat st;
	if (!glob_match(&s->glob, buf_cstr(&s->path) + s->base) || fstatat(dir, name, &st, 0) < 0 ||
	    !S_ISREG(st.st_mode))
		return;
	if (s->found.count == MAX_FILES)
		s->cut = true;
	else
		found_add(&s->found, buf_cstr(&s->path), &st);
}

static bool is_directory(int dir, const struct dirent *e)
{
	struct stat st;
	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Takes the descriptor over. Symbolic links to directories are not followed. */
static void walk(struct search *s, int fd, unsigned depth)
{
	DIR *dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return;
	}
	size_t length = s->path.len;
	for (struct dirent *e; !s->cut && (e = readdir(dir)); s->path.len = length) {
		if (is_skipped(e->d_name))
			continue;
		s->cut = ++s->visited > MAX_VISITED || depth > MAX_DEPTH;
		buf_add_str(&s->path, e->d_name);
		if (!is_directory(fd, e)) {
			look_at_file(s, fd, e->d_name);
			continue;
		}
		int below = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		buf_add_char(&s->path, '/');
		if (below >= 0)
			walk(s, below, depth + 1);
	}
	(void)closedir(dir);
}

/* The directories that a pattern begins with, up to the first name with something special in it, needn't be searched
 * for. Its last name always stays. */
static const char *literal_end(const char *pattern)
{
	const char *end = pattern;
	size_t special = strcspn(pattern, "*?[{\\");
	for (const char *p = pattern; p < pattern + special; p++)
		if (*p == '/' && p[1])
			end = p + 1;
	return end;
}

/* Opens where the search begins, and sets path. -1: it isn't there. */
static int open_base(struct search *s, const char *path, const char *pattern, const char *rest)
{
	autobuf start = { 0 };
	if (path && pattern[0] != '/') {
		buf_add_str(&start, path);
		buf_add_char(&start, '/');
	}
	buf_add(&start, pattern, (size_t)(rest - pattern));
	if (!start.len)
		buf_add_char(&start, '.');
	autofree char *real = realpath(buf_cstr(&start), NULL);
	if (!real)
		return -1;
	buf_add_str(&s->path, real);
	if (strcmp(real, "/") != 0)
		buf_add_char(&s->path, '/');
	s->base = s->path.len;
	return open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void check_path(const char *path)
{
	struct stat st;
	if (!path)
		return;
	if (stat(path, &st) < 0 && errno == ENOENT)
		tool_fail("Directory does not exist: %s", path);
	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		tool_fail("Path is not a directory: %s", path);
}

static void print_found(const struct search *s)
{
	for (size_t i = 0; i < s->found.count; i++) {
		tool_print(slice_make("\n", i > 0));
		tool_print(slice_of(s->found.files[i].path));
	}
	if (s->found.count == 0)
		(void)printf("No files found");
	if (s->cut)
		(void)printf("\n(Results are truncated. Consider using a more specific path or pattern.)");
}

/* A pattern with one slash at its begin, or whose directories were taken off, is for this directory only. */
static bool compile(struct search *s, const char *pattern, const char *rest)
{
	autobuf anchored = { 0 };
	if (rest != pattern)
		buf_add_char(&anchored, '/');
	buf_add_str(&anchored, rest);
	return glob_compile(&s->glob, buf_cstr(&anchored));
}

void tool_glob(struct slice input)
{
	autocall(free_search) struct search s = { 0 };
	autofree char *pattern = tool_text(input, "pattern");
	autofree char *path = tool_path(input, "path");
	(void)setlocale(LC_ALL, "C.UTF-8");
	if (!*pattern)
		tool_fail("pattern is empty.");
	check_path(path);
	const char *rest = literal_end(pattern);
	if (!compile(&s, pattern, rest))
		tool_fail("The pattern is too long, or has too many alternatives in braces.");
	int fd = open_base(&s, path, pattern, rest);
	if (fd >= 0)
		walk(&s, fd, 0);
	found_sort(&s.found);
	print_found(&s);
}

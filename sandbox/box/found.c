/* found.c: a list of files, newest first. */
#include "found.h"

#include <stdlib.h>

void found_add(struct found *f, const char *path, const struct stat *st)
{
	if (f->count == f->room) {
		f->room = f->room ? f->room * 2 : 64;
		f->files = xrealloc(f->files, f->room * sizeof(*f->files));
	}
	f->files[f->count++] = (struct found_file){ .path = xstrdup(path), .modified = st->st_mtim };
}

static int compare(const void *a, const void *b)
{
	const struct found_file *x = a, *y = b;
	if (x->modified.tv_sec != y->modified.tv_sec)
		return x->modified.tv_sec < y->modified.tv_sec ? 1 : -1;
	if (x->modified.tv_nsec != y->modified.tv_nsec)
		return x->modified.tv_nsec < y->modified.tv_nsec ? 1 : -1;
	return strcmp(x->path, y->path);
}

void found_sort(struct found *f)
{
	if (f->count)
		qsort(f->files, f->count, sizeof(*f->files), compare);
}

void found_free(struct found *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->files[i].path);
	free(f->files);
}

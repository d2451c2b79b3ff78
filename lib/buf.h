/* buf.h: a growing byte buffer, and slices (pointer and length) of bytes that somebody else owns. */
#ifndef CRAFT_BUF_H
#define CRAFT_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes owned elsewhere; not terminated. ptr may be NULL when len is 0. */
struct slice {
	const char *ptr;
	size_t len;
};

#define SLICE_LIT(s) ((struct slice){ (s), sizeof(s) - 1 })

static inline struct slice slice_of(const char *s)
{
	return (struct slice){ s, strlen(s) };
}

static inline struct slice slice_make(const char *ptr, size_t len)
{
	return (struct slice){ ptr, len };
}

/* Byte-wise equality. */
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_str(struct slice a, const char *s);

/* A heap copy of the bytes with a NUL behind them; the caller frees it. Aborts when memory is out. */
char *slice_dup(struct slice s);

/* A byte buffer. All zero is a valid empty buffer. `data` is the owner's until buf_free().
 * Memory that can't be had ends the process: every buffer that a peer makes grow has a bound that
 * its user checks first. */
struct buf {
	char *data;
	size_t len;
	size_t cap;
};

/* For secrets: it is overwritten when its scope ends. */
#define autowiped __attribute__((cleanup(buf_wipe))) struct buf
#define autobuf __attribute__((cleanup(buf_free))) struct buf

void buf_free(struct buf *b);		       /* releases the memory; the buffer is empty and usable again */
void buf_wipe(struct buf *b);		       /* buf_free() of a secret: its memory is overwritten first */
void buf_clear(struct buf *b);		       /* empties it, keeps the memory */
char *buf_reserve(struct buf *b, size_t more); /* room for `more` bytes behind the content; returns where they go */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_slice(struct buf *b, struct slice s);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t v); /* in decimal */
void buf_add_i64(struct buf *b, int64_t v);  /* in decimal */
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3), nonnull(2)));
void buf_drop_front(struct buf *b, size_t n); /* removes the first n bytes */
const char *buf_cstr(struct buf *b);	      /* the content with a NUL behind it (not counted in len) */
static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice){ b->data, b->len };
}

/* Memory that must be there: abort with a message when it can't be had. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);

#endif

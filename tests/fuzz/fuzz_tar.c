/* fuzz_tar.c: any bytes as a workspace's archive, as craft-cloud workspace import reads them. However it is cut into
 * pieces the same is read of it; what is taken to its end has the sums that SHA256SUMS names, by a digest of our own;
 * what is refused is refused with a sentence. What we write is read back as it was, and with a byte changed never as
 * something else. The first byte of the input: whether the others are an archive (even), or what is written into one.
 */
#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/tar.h"
#include "lib/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST ((size_t)1 << 18) /* bytes of all entries that are looked at */
#define PIECE 4096

static int file_of(struct slice bytes)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(fd >= 0 && pwrite(fd, bytes.ptr, bytes.len, 0) == (ssize_t)bytes.len);
	return fd;
}

/* ---- reading ---- */

static void check_hash(struct slice contents, const char *hex)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	char own[TAR_HEX_SIZE];
	assert(EVP_Digest(contents.ptr, contents.len, raw, &len, EVP_sha256(), NULL) == 1 && len == 32);
	for (unsigned int i = 0; i < len; i++)
		(void)snprintf(own + (size_t)2 * i, 3, "%02x", raw[i]);
	assert(strcmp(own, hex) == 0);
}

/* Appends name and contents to seen and its line to sums. */
static bool read_entry(struct tar *t, size_t step, struct buf *seen, struct buf *sums, struct buf *error)
{
	char piece[PIECE], hex[TAR_HEX_SIZE];
	autobuf contents = { 0 };
	size_t n;
	do {
		if (!tar_read(t, piece, step, &n, error))
			return false;
		assert(n <= step);
		buf_add(&contents, piece, n);
		if (seen->len + contents.len > MOST) {
			buf_add_str(error, "enough");
			return false;
		}
	} while (n > 0);
	if (!tar_read_end(t, hex, error))
		return false;
	assert((int64_t)contents.len == t->size && t->rest == 0);
	check_hash(buf_slice(&contents), hex);
	buf_addf(seen, "%s\n", t->name);
	buf_add_slice(seen, buf_slice(&contents));
	buf_addf(sums, "%s  %s\n", hex, t->name);
	return true;
}

static bool read_archive(struct slice bytes, size_t step, struct buf *seen, struct buf *error)
{
	autoclose int fd = file_of(bytes);
	autobuf sums = { 0 };
	autotar t = { 0 };
	bool more = true;
	if (!tar_read_open(&t, fd, error))
		return false;
	while (more) {
		if (!tar_read_next(&t, &more, error) || (more && !read_entry(&t, step, seen, &sums, error)))
			return false;
	}
	assert(slice_eq(buf_slice(&sums), buf_slice(&t.given)));
	return true;
}

/* The same in big and in small pieces. */
static bool look(struct slice bytes, struct buf *seen)
{
	autobuf other = { 0 }, error = { 0 }, other_error = { 0 };
	bool ok = read_archive(bytes, PIECE, seen, &error);
	assert(read_archive(bytes, 61, &other, &other_error) == ok);
	assert(ok == (error.len == 0) && ok == (other_error.len == 0));
	assert(!ok || slice_eq(buf_slice(seen), buf_slice(&other)));
	return ok;
}

/* ---- writing ---- */

static void write_entry(struct tar *t, const char *name, struct slice contents, struct buf *seen)
{
	autobuf error = { 0 };
	char hex[TAR_HEX_SIZE];
	size_t half = contents.len / 2;
	assert(tar_write_begin(t, name, (int64_t)contents.len, &error));
	assert(tar_write(t, slice_make(contents.ptr, half), &error));
	assert(tar_write(t, slice_make(contents.ptr + half, contents.len - half), &error));
	assert(tar_write_end(t, hex, &error));
	check_hash(contents, hex);
	buf_addf(seen, "%s\n", name);
	buf_add_slice(seen, contents);
}

/* Each piece of data, as long as its first byte says, becomes an entry behind a manifest, which is always there. */
static void write_archive(struct slice data, struct buf *archive, struct buf *seen)
{
	autoclose int fd = file_of(slice_make("", 0));
	autobuf error = { 0 };
	autotar t = { 0 };
	assert(tar_write_open(&t, fd, &error));
	write_entry(&t, "manifest.json", SLICE_LIT("{}"), seen);
	for (size_t at = 0, i = 0; at < data.len && i < 40; i++) {
		size_t length = (size_t)(uint8_t)data.ptr[at] * 5, rest = data.len - at - 1;
		autobuf name = { 0 };
		buf_addf(&name, "sessions/%0*zu.json", 1 + (int)(length % 200), i);
		length = length < rest ? length : rest;
		write_entry(&t, buf_cstr(&name), slice_make(data.ptr + at + 1, length), seen);
		at += 1 + length;
	}
	assert(tar_write_close(&t, &error));
	off_t size = lseek(fd, 0, SEEK_END);
	assert(size > 0 && pread(fd, buf_reserve(archive, (size_t)size), (size_t)size, 0) == size);
	archive->len += (size_t)size;
}

/* Refused, or read as it was: not every byte of a tar file says something. */
static void change_one(struct buf *archive, struct slice data, const struct buf *wanted)
{
	autobuf seen = { 0 };
	size_t at = 0;
	for (size_t i = 0; i < data.len && i < 3; i++)
		at = at * 256 + (uint8_t)data.ptr[i];
	archive->data[at % archive->len] ^= 1 << (data.len % 8);
	assert(!look(buf_slice(archive), &seen) || slice_eq(buf_slice(&seen), buf_slice(wanted)));
}

static void round_trip(struct slice data)
{
	autobuf archive = { 0 }, wanted = { 0 }, seen = { 0 };
	if (data.len > MOST / 2)
		return;
	write_archive(data, &archive, &wanted);
	assert(look(buf_slice(&archive), &seen));
	assert(slice_eq(buf_slice(&seen), buf_slice(&wanted)));
	change_one(&archive, data, &wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autobuf seen = { 0 };
	if (size == 0)
		return 0;
	struct slice rest = slice_make((const char *)data + 1, size - 1);
	if (data[0] % 2)
		round_trip(rest);
	else
		(void)look(rest, &seen);
	return 0;
}

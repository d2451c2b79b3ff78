/* fuzz_conf.c: any bytes as the configuration: a clear error in one line, which never holds a secret, or a
 * configuration whose values are in their bounds and which is printed so that reading it gives the same. In the input,
 * the byte 1 stands for a secret, 2 for the path of a file that holds one. */
#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/conf_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Fits a KEY, a SECRET and a HEX_KEY; a piece of it is known by "5ec4e7". */
#define SECRET_TEXT "5ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4"
#define SECRET_PIECE "5ec4e7"

/* A file in memory, at a path. */
struct file {
	int fd;
	char path[32];
};

static void file_open(struct file *file)
{
	if (file->path[0])
		return;
	file->fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(file->fd >= 0);
	(void)snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
}

static void file_write(const struct file *file, struct slice text)
{
	assert(ftruncate(file->fd, 0) == 0);
	assert(pwrite(file->fd, text.ptr, text.len, 0) == (ssize_t)text.len);
}

static void expand(const uint8_t *data, size_t size, const char *secret_path, struct buf *out)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] == 1)
			buf_add_str(out, SECRET_TEXT);
		else if (data[i] == 2)
			buf_add_str(out, secret_path);
		else
			buf_add_char(out, (char)data[i]);
	}
}

/* One line of printable text that names the file, without a secret. */
static void check_error(struct buf *error, const char *path)
{
	const char *text = buf_cstr(error);
	assert(error->len > 0 && error->len < 2000 && strlen(text) == error->len && strstr(text, path));
	for (size_t i = 0; i < error->len; i++)
		assert((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
	assert(!strstr(text, SECRET_PIECE));
}

static void check_value(struct conf *conf, const struct conf_key *key, enum conf_program program)
{
	if (conf_is_text(key)) {
		const char *text = *conf_text(conf, key);
		assert(text || !(key->required & (int)program));
		assert(!text || (text[0] && strlen(text) <= (size_t)key->max));
		return;
	}
	int64_t number;
	memcpy(&number, (const char *)conf + key->at, sizeof(number));
	/* A word has a number of its own. */
	int64_t words = key->type == LEVEL ? 4 : key->type == FORMAT ? 2 : 0;
	assert(words ? number >= 0 && number < words : number >= key->min && number <= key->max);
}

/* The printed lines of what is no secret and is set; of a secret it is said only whether it is. */
static void print_public(struct conf *conf, enum conf_program program, struct buf *out)
{
	autofree char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	assert(f);
	conf_print(conf, program, f);
	assert(fclose(f) == 0);
	char *line = text;
	for (size_t i = 0; i < conf_key_count; i++) {
		const struct conf_key *key = &conf_keys[i];
		size_t name = strlen(key->name);
		if (!(key->programs & (int)program))
			continue;
		char *end = strchr(line, '\n');
		assert(end && strncmp(line, key->name, name) == 0 && line[name] == '=');
		*end = '\0';
		if (conf_is_secret(key))
			assert(strcmp(line + name + 1, *conf_text(conf, key) ? "(set)" : "(not set)") == 0);
		else if (line[name + 1])
			buf_addf(out, "%s\n", line);
		line = end + 1;
	}
	assert(*line == '\0');
}

static void check_loaded(struct conf *conf, enum conf_program program, const struct file *file)
{
	autobuf text = { 0 }, error = { 0 }, again_text = { 0 };
	struct conf again;
	for (size_t i = 0; i < conf_key_count; i++)
		check_value(conf, &conf_keys[i], program);
	print_public(conf, program, &text);
	size_t len = text.len;
	buf_add_str(&text, "API_KEY=" SECRET_TEXT "\nDATABASE_URL=" SECRET_TEXT "\nENCRYPTION_KEY=" SECRET_TEXT "\n");
	file_write(file, buf_slice(&text));
	assert(conf_load(&again, program, file->path, &error));
	print_public(&again, program, &again_text);
	assert(slice_eq(buf_slice(&again_text), slice_make(text.data, len)));
	conf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct file file, secret;
	if (size == 0)
		return 0;
	file_open(&file);
	file_open(&secret);
	file_write(&secret, SLICE_LIT(SECRET_TEXT "\n"));
	enum conf_program program = (enum conf_program)(1 << (data[0] & 3));
	autobuf text = { 0 }, error = { 0 };
	struct conf conf;
	expand(data + 1, size - 1, secret.path, &text);
	file_write(&file, buf_slice(&text));
	if (conf_load(&conf, program, file.path, &error)) {
		assert(!text.len || !memchr(text.data, '\0', text.len));
		check_loaded(&conf, program, &file);
	} else {
		check_error(&error, file.path);
	}
	conf_free(&conf);
	return 0;
}

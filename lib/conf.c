/* conf.c: loading the configuration, and showing it. */
#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "conf_value.h"
#include "log.h"

#define DEFAULT_FILE SYSCONFDIR "/craft-agent-cloud/craft-agent-cloud.conf"

static const struct conf_key *find_key(struct slice name)
{
	for (size_t i = 0; i < conf_key_count; i++) {
		if (slice_eq_str(name, conf_keys[i].name))
			return &conf_keys[i];
	}
	return NULL;
}

/* KEY_FILE=path: the value is the file's content without the newline at its end. Errors don't repeat the path: it may
 * be the secret itself, in the wrong place. */
static bool set_from_file(struct conf *conf, const struct conf_key *key, const char *path, struct buf *error)
{
	char text[8194];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	bool ok = f && !ferror(f);
	if (!ok)
		buf_addf(error, "%s_FILE: can't read that file: %s", key->name, strerror(errno));
	if (f)
		(void)fclose(f);
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	text[n] = '\0';
	if (ok && strlen(text) < n) {
		buf_addf(error, "%s_FILE: that file holds a NUL byte", key->name);
		ok = false;
	}
	ok = ok && conf_set(conf, key, text, error);
	explicit_bzero(text, sizeof(text));
	return ok;
}

/* Only what looks like a name is repeated: a line that isn't meant as one may be a piece of a secret. */
static void add_unknown(struct slice name, struct buf *error)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	bool shown = name.len > 0 && name.len <= 40;
	for (size_t i = 0; shown && i < name.len; i++)
		shown = strchr(letters, name.ptr[i]);
	buf_addf(error, shown ? "unknown key %.*s" : "unknown key", (int)name.len, name.ptr);
}

/* Applies NAME=value, where NAME may be a secret's KEY_FILE form. */
static bool set_named(struct conf *conf, struct slice name, const char *value, struct buf *error)
{
	const struct conf_key *key = find_key(name);
	if (key)
		return conf_set(conf, key, value, error);
	static const char suffix[] = "_FILE";
	if (name.len > sizeof(suffix) - 1 && memcmp(name.ptr + name.len - 5, suffix, 5) == 0) {
		key = find_key(slice_make(name.ptr, name.len - 5));
		if (key && conf_is_secret(key))
			return set_from_file(conf, key, value, error);
	}
	add_unknown(name, error);
	return false;
}

static char *trim(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	size_t n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

static bool load_line(struct conf *conf, char *line, size_t len, struct buf *error)
{
	if (strlen(line) < len) {
		buf_add_str(error, "holds a NUL byte");
		return false;
	}
	char *text = trim(line);
	if (*text == '\0' || *text == '#')
		return true;
	char *eq = strchr(text, '=');
	if (!eq) {
		buf_add_str(error, "not of the form KEY=value");
		return false;
	}
	*eq = '\0';
	return set_named(conf, slice_of(trim(text)), trim(eq + 1), error);
}

/* Errors begin with the path and the number of the line. */
static bool load_lines(struct conf *conf, FILE *f, const char *path, struct buf *error)
{
	autofree char *line = NULL;
	autobuf why = { 0 };
	size_t cap = 0;
	ssize_t len;
	bool ok = true;
	for (int number = 1; ok && (len = getline(&line, &cap, f)) >= 0; number++) {
		ok = load_line(conf, line, (size_t)len, &why);
		if (!ok)
			buf_addf(error, "%s:%d: %s", path, number, buf_cstr(&why));
	}
	if (line)
		explicit_bzero(line, cap);
	return ok;
}

/* Whose it is, where that is somebody else's. */
static void add_owner(const char *path, struct buf *error)
{
	struct stat st;
	const struct passwd *owner = stat(path, &st) == 0 && st.st_uid != geteuid() ? getpwuid(st.st_uid) : NULL;
	if (owner)
		buf_addf(error, " (it belongs to %s: run this as that user, or as root)", owner->pw_name);
}

static bool load_file(struct conf *conf, const char *path, bool must_exist, struct buf *error)
{
	FILE *f = fopen(path, "re");
	if (!f && errno == ENOENT && !must_exist)
		return true;
	bool ok = f && load_lines(conf, f, path, error);
	if (!f || (ok && ferror(f))) {
		int why = errno;
		buf_addf(error, "can't read the configuration %s: %s", path, strerror(why));
		if (why == EACCES)
			add_owner(path, error);
		ok = false;
	}
	if (f)
		(void)fclose(f);
	return ok;
}

/* Looks for one name in the environment; a secret's bytes are wiped there, as /proc/PID/environ shows them. */
static bool load_variable(struct conf *conf, const char *name, bool secret, struct buf *error)
{
	char *value = getenv(name);
	if (!value)
		return true;
	bool ok = set_named(conf, slice_of(name), value, error);
	if (secret) {
		conf_wipe(value);
		(void)unsetenv(name);
	}
	if (!ok)
		buf_add_str(error, " (set in the environment)");
	return ok;
}

static bool load_environment(struct conf *conf, struct buf *error)
{
	char name[64];
	for (size_t i = 0; i < conf_key_count; i++) {
		(void)snprintf(name, sizeof(name), "%s_FILE", conf_keys[i].name);
		bool secret = conf_is_secret(&conf_keys[i]);
		if (secret && !load_variable(conf, name, false, error))
			return false;
		if (!load_variable(conf, conf_keys[i].name, secret, error))
			return false;
	}
	return true;
}

static bool check_required(struct conf *conf, enum conf_program program, const char *path, struct buf *error)
{
	for (size_t i = 0; i < conf_key_count; i++) {
		if ((conf_keys[i].required & (int)program) && conf_is_text(&conf_keys[i]) &&
		    !*conf_text(conf, &conf_keys[i])) {
			buf_addf(error, "%s is not set: put %s=… into %s or the environment (%s)", conf_keys[i].name,
				 conf_keys[i].name, path, conf_keys[i].help);
			return false;
		}
	}
	return true;
}

bool conf_load(struct conf *conf, enum conf_program program, const char *path, struct buf *error)
{
	*conf = (struct conf){ 0 };
	for (size_t i = 0; i < conf_key_count; i++) {
		if (conf_keys[i].fallback && !conf_set(conf, &conf_keys[i], conf_keys[i].fallback, error))
			return false;
	}
	const char *named = path ? path : getenv("CRAFT_CONFIG");
	const char *file = named ? named : DEFAULT_FILE;
	if (!load_file(conf, file, named != NULL, error) || !load_environment(conf, error) ||
	    !check_required(conf, program, file, error))
		return false;
	log_set_level((enum log_level)conf->log_level);
	log_set_format((enum log_format)conf->log_format);
	return true;
}

void conf_free(struct conf *conf)
{
	for (size_t i = 0; i < conf_key_count; i++) {
		if (!conf_is_text(&conf_keys[i]))
			continue;
		char **at = conf_text(conf, &conf_keys[i]);
		if (*at)
			conf_wipe(*at);
		free(*at);
		*at = NULL;
	}
}

void conf_print(const struct conf *conf, enum conf_program program, FILE *out)
{
	for (size_t i = 0; i < conf_key_count; i++) {
		const struct conf_key *key = &conf_keys[i];
		const char *field = (const char *)conf + key->at;
		if (!(key->programs & (int)program))
			continue;
		const char *text = NULL;
		int64_t number = 0;
		if (conf_is_text(key))
			memcpy(&text, field, sizeof(text));
		else
			memcpy(&number, field, sizeof(number));
		if (conf_is_secret(key))
			(void)fprintf(out, "%s=%s\n", key->name, text ? "(set)" : "(not set)");
		else if (conf_is_text(key))
			(void)fprintf(out, "%s=%s\n", key->name, text ? text : "");
		else if (key->type == LEVEL)
			(void)fprintf(out, "%s=%s\n", key->name,
				      (const char *[]){ "error", "warn", "info", "debug" }[number]);
		else if (key->type == FORMAT)
			(void)fprintf(out, "%s=%s\n", key->name, (const char *[]){ "logfmt", "json" }[number]);
		else
			(void)fprintf(out, key->type == OCTAL ? "%s=%04llo\n" : "%s=%lld\n", key->name,
				      (long long)number);
	}
}

void conf_help(enum conf_program program, FILE *out)
{
	for (size_t i = 0; i < conf_key_count; i++) {
		if (conf_keys[i].programs & (int)program)
			(void)fprintf(out, "  %-23s %s (default: %s)\n", conf_keys[i].name, conf_keys[i].help,
				      conf_keys[i].fallback ? conf_keys[i].fallback : "none");
	}
}

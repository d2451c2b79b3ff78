/* conf_value.c: what the values of keys look like, and storing them. */
#include "conf_value.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

char **conf_text(struct conf *conf, const struct conf_key *key)
{
	return (char **)(void *)((char *)conf + key->at);
}

static int64_t *number_at(struct conf *conf, const struct conf_key *key)
{
	return (int64_t *)(void *)((char *)conf + key->at);
}

bool conf_is_text(const struct conf_key *key)
{
	return key->type <= HEX_KEY;
}

bool conf_is_secret(const struct conf_key *key)
{
	return key->type == SECRET || key->type == PROXY_URL || key->type == KEY || key->type == HEX_KEY;
}

static bool size_suffix(const char *suffix, int64_t *factor)
{
	static const struct {
		const char *name;
		int shift;
	} units[] = { { "", 0 }, { "K", 10 }, { "M", 20 }, { "G", 30 }, { "T", 40 } };
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(suffix, units[i].name) == 0) {
			*factor = (int64_t)1 << units[i].shift;
			return true;
		}
	}
	return false;
}

static bool parse_number(const struct conf_key *key, const char *value, int64_t *out)
{
	char *end;
	int64_t factor = 1;
	enum log_level level;
	enum log_format format;
	if (key->type == FORMAT) {
		bool known = log_format_parse(value, &format);
		*out = known ? (int64_t)format : 0;
		return known;
	}
	if (key->type == LEVEL) {
		bool known = log_level_parse(value, &level);
		*out = known ? (int64_t)level : 0;
		return known;
	}
	if (!isdigit((unsigned char)*value))
		return false;
	errno = 0;
	long long n = strtoll(value, &end, key->type == OCTAL ? 8 : 10);
	if (errno || (key->type == SIZE ? !size_suffix(end, &factor) : *end != '\0'))
		return false;
	return !__builtin_mul_overflow((int64_t)n, factor, out) && *out >= key->min && *out <= key->max;
}

void conf_wipe(char *s)
{
	explicit_bzero(s, strlen(s));
}

/* What a text of a type looks like: how many of its bytes are kept, 0 when it is malformed. */
static size_t printable_length(const char *s)
{
	size_t n = 0;
	for (; s[n]; n++) {
		if (s[n] < 0x20 || s[n] > 0x7e)
			return 0;
	}
	return n;
}

static size_t directory_length(const char *s)
{
	if (*s != '/')
		return 0;
	for (const char *p = s; *p; p++) {
		if (iscntrl((unsigned char)*p) || strchr("'\"\\$;{}", *p))
			return 0;
	}
	return strlen(s);
}

static size_t path_length(const char *s)
{
	for (const char *p = s; *p; p++) {
		if (iscntrl((unsigned char)*p))
			return 0;
	}
	return *s == '/' ? strlen(s) : 0;
}

/* The length of a host name or an IP address, IPv6 in brackets. */
static size_t host_length(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	if (*s != '[')
		return strspn(s, letters);
	size_t n = 1 + strspn(s + 1, "0123456789ABCDEFabcdef:.");
	return n > 1 && s[n] == ']' ? n + 1 : 0;
}

/* The length of ":port", 0 when there is none or it can't be one. */
static size_t port_length(const char *s)
{
	size_t n = *s == ':' ? strspn(s + 1, "0123456789") : 0;
	long port = n ? strtol(s + 1, NULL, 10) : 0;
	return port >= 1 && port <= 65535 ? n + 1 : 0;
}

/* The length of http(s)://host[:port] at the beginning, 0 when there is none. */
static size_t origin_prefix(const char *s)
{
	size_t scheme = strncmp(s, "https://", 8) == 0 ? 8 : strncmp(s, "http://", 7) == 0 ? 7 : 0;
	size_t host = scheme ? host_length(s + scheme) : 0;
	return host ? scheme + host + port_length(s + scheme + host) : 0;
}

/* The path is of RFC 3986's unreserved characters, without empty segments and without a slash at its end. */
static size_t base_url_length(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
	size_t segment, n = origin_prefix(s);
	while (n && s[n] == '/' && (segment = strspn(s + n + 1, letters)) > 0)
		n += 1 + segment;
	return n && (s[n] == '\0' || strcmp(s + n, "/") == 0) ? n : 0;
}

/* Addresses only: no name server is asked for them. */
static size_t listen_length(const char *s)
{
	if (*s == '/')
		return path_length(s);
	size_t host = *s == '[' ? host_length(s) : strspn(s, "0123456789.");
	size_t port = host ? port_length(s + host) : 0;
	return port && s[host + port] == '\0' ? host + port : 0;
}

/* User and password percent-encoded, as RFC 3986 has them; the port has to be said. */
static size_t proxy_length(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:%";
	size_t scheme = strncmp(s, "https://", 8) == 0 ? 8 : strncmp(s, "http://", 7) == 0 ? 7 : 0;
	const char *host = s + scheme;
	size_t user = strspn(host, letters);
	if (host[user] == '@')
		host += user + 1;
	size_t n = scheme ? host_length(host) : 0, port = n ? port_length(host + n) : 0;
	const char *end = host + n + port;
	return port && (*end == '\0' || strcmp(end, "/") == 0) ? (size_t)(end - s) : 0;
}

static size_t hex_length(const char *s)
{
	size_t n = strspn(s, "0123456789abcdefABCDEF");
	return s[n] == '\0' ? n : 0;
}

static const struct {
	size_t (*length)(const char *value); /* NULL: any text will do */
	const char *want;
} text_types[] = {
	[TEXT] = { NULL, "characters" },
	[DIRECTORY] = { directory_length, "characters, an absolute path without quotes, backslash, dollar sign, "
					  "semicolon, braces and control characters" },
	[REGULAR_FILE] = { path_length, "characters, an absolute path without control characters" },
	[BASE_URL] = { base_url_length,
		       "characters of the form http://host[:port][/path] or https://host[:port][/path]" },
	[LISTEN] = { listen_length, "characters, an absolute path or ADDRESS:PORT (127.0.0.1:9101, [::1]:9101)" },
	[SECRET] = { NULL, "characters" },
	[PROXY_URL] = { proxy_length, "characters of the form http://[user:password@]host:port" },
	[KEY] = { printable_length, "printable characters" },
	[HEX_KEY] = { hex_length, "hex digits" },
};

static bool set_text(struct conf *conf, const struct conf_key *key, const char *value, struct buf *error)
{
	size_t len = strlen(value);
	size_t kept = text_types[key->type].length ? text_types[key->type].length(value) : len;
	if (len < (size_t)key->min || len > (size_t)key->max || !kept) {
		buf_addf(error, "%s must be ", key->name);
		if (key->min != key->max)
			buf_addf(error, "%lld to ", (long long)key->min);
		buf_addf(error, "%lld %s: %s", (long long)key->max, text_types[key->type].want, key->help);
		return false;
	}
	char **at = conf_text(conf, key);
	if (*at)
		conf_wipe(*at);
	free(*at);
	*at = slice_dup(slice_make(value, kept));
	return true;
}

static bool set_number(struct conf *conf, const struct conf_key *key, const char *value, struct buf *error)
{
	if (parse_number(key, value, number_at(conf, key)))
		return true;
	buf_addf(error, "%s has a malformed value: %s", key->name, key->help);
	if (key->type != LEVEL && key->type != FORMAT)
		buf_addf(error, key->type == OCTAL ? " (octal, up to %llo)" : " (up to %lld)", (long long)key->max);
	return false;
}

bool conf_set(struct conf *conf, const struct conf_key *key, const char *value, struct buf *error)
{
	return conf_is_text(key) ? set_text(conf, key, value, error) : set_number(conf, key, value, error);
}

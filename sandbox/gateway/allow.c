/* allow.c: the allow-list of the egress proxy. */
#include "allow.h"

#include <stdlib.h>
#include <strings.h>

#define PORT_MAX 65535

struct allow_entry {
	struct host host; /* of a suffix: ".example.org" */
	bool suffix;
	bool reserved; /* names a host that isn't to be reached from here */
	unsigned port; /* 0: 80 and 443 */
};

/* ---- hosts ---- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

static bool parse_bracketed(struct slice text, struct host *out)
{
	if (text.len < 4 || text.len - 2 > HOST_MAX || text.ptr[text.len - 1] != ']')
		return false;
	memcpy(out->name, text.ptr + 1, text.len - 2);
	out->name[text.len - 2] = '\0';
	return strchr(out->name, ':') && strlen(out->name) == text.len - 2 && address_parse(out->name, &out->address);
}

/* No empty labels: "a..b" and ".a" are no names. */
static bool parse_name(struct slice text, struct host *out)
{
	if (text.len > 0 && text.ptr[text.len - 1] == '.')
		text.len--;
	if (text.len == 0 || text.len > HOST_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		out->name[i] = lower(text.ptr[i]);
		bool empty = out->name[i] == '.' && (i == 0 || out->name[i - 1] == '.');
		if (!is_name_char(out->name[i]) || empty)
			return false;
	}
	out->name[text.len] = '\0';
	return out->name[text.len - 1] != '.';
}

bool host_parse(struct slice text, struct host *out)
{
	if (text.len > 0 && text.ptr[0] == '[') {
		out->literal = parse_bracketed(text, out);
		if (!out->literal)
			return false;
	} else {
		if (!parse_name(text, out))
			return false;
		out->literal = address_parse(out->name, &out->address);
	}
	if (out->literal)
		address_text(&out->address, out->name);
	return true;
}

static bool parse_port(struct slice text, unsigned *port)
{
	*port = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		*port = *port * 10 + (unsigned)(text.ptr[i] - '0');
	}
	return text.len > 0 && text.len <= 5 && *port >= 1 && *port <= PORT_MAX;
}

/* The colon before a port: none within brackets. */
static const char *find_port(struct slice text)
{
	const char *colon = text.len ? memrchr(text.ptr, ':', text.len) : NULL;
	const char *bracket = text.len ? memrchr(text.ptr, ']', text.len) : NULL;
	return colon && (!bracket || colon > bracket) ? colon : NULL;
}

bool host_port_parse(struct slice text, unsigned standard, struct host *out, unsigned *port)
{
	const char *colon = find_port(text);
	*port = standard;
	if (!colon)
		return standard && host_parse(text, out);
	size_t length = (size_t)(colon - text.ptr);
	return parse_port(slice_make(colon + 1, text.len - length - 1), port) &&
	       host_parse(slice_make(text.ptr, length), out);
}

/* ---- the list ---- */

static bool parse_suffix(struct slice text, struct allow_entry *entry)
{
	const char *colon = find_port(text);
	size_t length = colon ? (size_t)(colon - text.ptr) : text.len;
	struct host *host = &entry->host;
	if (colon && !parse_port(slice_make(colon + 1, text.len - length - 1), &entry->port))
		return false;
	if (length < 3 || text.ptr[1] != '.' || !host_parse(slice_make(text.ptr + 2, length - 2), host) ||
	    host->literal || strlen(host->name) == HOST_MAX)
		return false;
	memmove(host->name + 1, host->name, strlen(host->name) + 1);
	host->name[0] = '.';
	entry->suffix = true;
	return true;
}

static bool parse_entry(struct slice text, struct allow_entry *entry)
{
	*entry = (struct allow_entry){ 0 };
	if (text.ptr[0] == '*')
		return parse_suffix(text, entry);
	if (find_port(text))
		return host_port_parse(text, 0, &entry->host, &entry->port);
	return host_parse(text, &entry->host);
}

static void append(struct allow_list *list, const struct allow_entry *entry)
{
	list->entries = xrealloc(list->entries, (list->count + 1) * sizeof(*list->entries));
	list->entries[list->count++] = *entry;
}

static bool is_separator(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',';
}

bool allow_list_add(struct allow_list *list, struct slice text, struct buf *error)
{
	for (size_t i = 0; i < text.len;) {
		size_t begin = i;
		while (i < text.len && !is_separator(text.ptr[i]))
			i++;
		struct slice word = slice_make(text.ptr + begin, i - begin);
		struct allow_entry entry;
		if (word.len && !parse_entry(word, &entry)) {
			buf_addf(error, "'%.*s' is no host, host:port or *.suffix", word.len < 80 ? (int)word.len : 80,
				 word.ptr);
			return false;
		}
		if (word.len)
			append(list, &entry);
		i++;
	}
	return true;
}

bool allow_list_reserve_url(struct allow_list *list, const char *url, struct buf *error)
{
	struct allow_entry entry = { 0 };
	bool secure = strncasecmp(url, "https://", 8) == 0;
	const char *authority = url + (secure ? 8 : 7);
	if (!secure && strncasecmp(url, "http://", 7) != 0) {
		buf_addf(error, "'%.80s' doesn't begin with http:// or https://", url);
		return false;
	}
	struct slice host = slice_make(authority, strcspn(authority, "/?#"));
	if (!host_port_parse(host, secure ? 443 : 80, &entry.host, &entry.port)) {
		buf_addf(error, "'%.80s' names no host", url);
		return false;
	}
	entry.reserved = true;
	append(list, &entry);
	return true;
}

void allow_list_free(struct allow_list *list)
{
	free(list->entries);
	*list = (struct allow_list){ 0 };
}

static bool port_fits(const struct allow_entry *entry, unsigned port)
{
	return entry->port ? entry->port == port : port == 80 || port == 443;
}

static bool host_fits(const struct allow_entry *entry, const struct host *host)
{
	if (host->literal || entry->host.literal)
		return host->literal && entry->host.literal && address_equal(&host->address, &entry->host.address);
	if (!entry->suffix)
		return strcmp(host->name, entry->host.name) == 0;
	size_t length = strlen(host->name), end = strlen(entry->host.name);
	return length > end && strcmp(host->name + length - end, entry->host.name) == 0;
}

static bool is_reserved(const struct allow_list *list, const struct host *host)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->entries[i].reserved && host_fits(&list->entries[i], host))
			return true;
	return false;
}

enum allow_name allow_name(const struct allow_list *list, const struct host *host, unsigned port)
{
	bool reserved = is_reserved(list, host);
	enum allow_name found = reserved ? ALLOW_RESERVED : ALLOW_NO;
	for (size_t i = 0; i < list->count; i++) {
		const struct allow_entry *entry = &list->entries[i];
		if (entry->reserved || (reserved && entry->suffix) || !port_fits(entry, port) ||
		    !host_fits(entry, host))
			continue;
		if (entry->port && !entry->suffix)
			return ALLOW_PRIVATE;
		found = ALLOW_PUBLIC;
	}
	return found;
}

void allow_list_reserved_named(const struct allow_list *list, struct buf *out)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct allow_entry *entry = &list->entries[i];
		if (entry->reserved && allow_name(list, &entry->host, entry->port) != ALLOW_RESERVED)
			buf_addf(out, "%s%s", out->len ? " " : "", entry->host.name);
	}
}

static bool is_listed(const struct allow_list *list, const struct address *address, unsigned port)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct allow_entry *entry = &list->entries[i];
		if (!entry->reserved && entry->host.literal && port_fits(entry, port) &&
		    address_equal(&entry->host.address, address))
			return true;
	}
	return false;
}

bool allow_address(const struct allow_list *list, enum allow_name name, const struct address *address, unsigned port)
{
	enum address_kind kind = address_kind(address);
	if (name == ALLOW_NO || name == ALLOW_RESERVED || kind == ADDRESS_NOWHERE)
		return false;
	return kind == ADDRESS_PUBLIC || (kind == ADDRESS_PRIVATE && name == ALLOW_PRIVATE) ||
	       is_listed(list, address, port);
}

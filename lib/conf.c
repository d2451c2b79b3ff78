/* conf.c: the table of configuration keys, and loading. */
#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"

#define DEFAULT_FILE SYSCONFDIR "/craft-agent-cloud/craft-agent-cloud.conf"
#define ALL (CONF_FCGI | CONF_BRIDGE | CONF_ADMIN | CONF_SANDBOX)
#define SERVING (CONF_FCGI | CONF_BRIDGE | CONF_SANDBOX)
#define BOX CONF_SANDBOX
#define AT(field) offsetof(struct conf, field)

/* DIRECTORY: an absolute path that nginx's configuration can hold in quotes. REGULAR_FILE: an absolute path.
 * ORIGIN: http(s)://host[:port]. BASE_URL: the same with a path. SECRET: never shown. KEY: a secret of printable
 * characters. HEX_KEY: a secret of 32 bytes in hex. */
enum conf_type { TEXT, DIRECTORY, REGULAR_FILE, ORIGIN, BASE_URL, SECRET, KEY, HEX_KEY, COUNT, SIZE, OCTAL, LEVEL };

struct conf_key {
	const char *name;
	enum conf_type type;
	int programs; /* that read it */
	int required; /* programs that can't start without it */
	size_t at;    /* of the field in struct conf */
	const char *fallback;
	int64_t min, max;
	const char *help;
};

/* clang-format off */
static const struct conf_key keys[] = {
	{ "API_KEY", KEY, SERVING, SERVING, AT(api_key), NULL, 8, 1024,
	  "key that opens everything; make one with: openssl rand -hex 32" },
	{ "API_KEY_PREVIOUS", KEY, SERVING, 0, AT(api_key_previous), NULL, 8, 1024,
	  "key of before a rotation, good as well until it is removed from here" },
	{ "DATABASE_URL", SECRET, ALL, ALL, AT(database_url), NULL, 1, 8192,
	  "PostgreSQL for the daemons' role, as a libpq URI or conninfo, e.g. postgresql://craft_daemon@/craft?host=/run/postgresql" },
	{ "DATABASE_OWNER_URL", SECRET, CONF_ADMIN, 0, AT(database_owner_url), NULL, 1, 8192,
	  "PostgreSQL for the role that migrates; DATABASE_URL when not set" },
	{ "LOG_LEVEL", LEVEL, ALL, 0, AT(log_level), "info", 0, 0, "error, warn, info or debug" },
	{ "FCGI_LISTEN", TEXT, CONF_FCGI, 0, AT(fcgi_listen), "/run/craft-agent-cloud/fcgi.sock", 1, 107, "unix socket that nginx reaches the workers by" },
	{ "FCGI_WORKERS", COUNT, CONF_FCGI, 0, AT(fcgi_workers), "4", 1, 256, "number of worker processes" },
	{ "FCGI_UPLOAD_LISTEN", TEXT, CONF_FCGI, 0, AT(fcgi_upload_listen), "/run/craft-agent-cloud/fcgi-upload.sock", 1, 107, "unix socket for uploads, so that nothing else waits for them" },
	{ "FCGI_UPLOAD_WORKERS", COUNT, CONF_FCGI, 0, AT(fcgi_upload_workers), "4", 1, 256, "number of worker processes there: as many uploads can be taken in at once" },
	{ "FCGI_GITHUB_LISTEN", TEXT, CONF_FCGI, 0, AT(fcgi_github_listen), "/run/craft-agent-cloud/fcgi-github.sock", 1, 107, "unix socket for what may wait for GitHub" },
	{ "FCGI_GITHUB_WORKERS", COUNT, CONF_FCGI, 0, AT(fcgi_github_workers), "2", 1, 256, "number of worker processes there" },
	{ "BLOB_DIR", DIRECTORY, CONF_FCGI | CONF_ADMIN, 0, AT(blob_dir), "/var/lib/craft-agent-cloud/blobs", 1, 4000, "directory of the files' contents, on one file system" },
	{ "PUBLIC_URL", ORIGIN, CONF_FCGI, 0, AT(public_url), NULL, 8, 300, "where clients reach the server, for signed URLs, e.g. https://craft.example.org; scheme and host of the request when not set" },
	{ "MAX_UPLOAD", SIZE, CONF_FCGI, 0, AT(max_upload), "1G", 1, 16ll << 40, "largest file; above it, status 413" },
	{ "WORKSPACE_QUOTA", SIZE, CONF_FCGI, 0, AT(workspace_quota), "0", 0, INT64_MAX, "most bytes that the files of one workspace may hold; 0: no limit" },
	{ "SWEEP_INTERVAL", COUNT, CONF_FCGI, 0, AT(sweep_interval), "3600", 0, 2592000, "seconds between two removals of what no file names any more; 0: none" },
	{ "ENCRYPTION_KEY", HEX_KEY, CONF_FCGI | CONF_ADMIN | BOX, CONF_FCGI | BOX, AT(encryption_key), NULL, 64, 64,
	  "key that GitHub credentials are stored under, 64 hex digits; make one with: openssl rand -hex 32" },
	{ "ENCRYPTION_KEY_PREVIOUS", HEX_KEY, CONF_FCGI | CONF_ADMIN | BOX, 0, AT(encryption_key_previous), NULL, 64, 64,
	  "key of before a rotation, until craft-cloud rekey has run" },
	{ "GITHUB_CLIENT_ID", TEXT, CONF_FCGI, 0, AT(github_client_id), NULL, 1, 255, "client id of the GitHub OAuth app" },
	{ "GITHUB_CLIENT_SECRET", SECRET, CONF_FCGI, 0, AT(github_client_secret), NULL, 1, 1024, "client secret of the GitHub OAuth app" },
	{ "GITHUB_URL", BASE_URL, CONF_FCGI | BOX, 0, AT(github_url), "https://github.com", 8, 300, "where people log in to GitHub and repositories are cloned from" },
	{ "GITHUB_API_URL", BASE_URL, CONF_FCGI, 0, AT(github_api_url), "https://api.github.com", 8, 300, "GitHub's REST API; of a GitHub Enterprise Server: https://host/api/v3" },
	{ "GITHUB_CA_FILE", REGULAR_FILE, CONF_FCGI | BOX, 0, AT(github_ca_file), NULL, 1, 4000, "PEM file of the authorities that GitHub's certificate may come from; the system's when not set" },
	{ "GITHUB_REVOKE", COUNT, CONF_FCGI, 0, AT(github_revoke), "0", 0, 1, "1: GitHub is asked to revoke the token of a deleted credential" },
	{ "OAUTH_REDIRECT_ALLOW", TEXT, CONF_FCGI, 0, AT(oauth_redirect_allow), NULL, 1, 8000,
	  "URIs, with spaces between them, that may be a redirectUri, they and the paths below them, besides craft-agent://, http://localhost and http://127.0.0.1" },
	{ "WS_LISTEN", TEXT, CONF_BRIDGE, 0, AT(ws_listen), "/run/craft-agent-cloud/ws.sock", 1, 107, "unix socket that nginx reaches the bridge by" },
	{ "SOCKET_MODE", OCTAL, CONF_FCGI | CONF_BRIDGE, 0, AT(socket_mode), "0660", 0, 0777, "permissions of both sockets" },
	{ "WS_MAX_MESSAGE", SIZE, CONF_BRIDGE, 0, AT(ws_max_message), "64M", 1024, 512ll << 20, "largest WebSocket message; above it, close code 1009" },
	{ "WS_MAX_QUEUE", SIZE, CONF_BRIDGE, 0, AT(ws_max_queue), "64M", 4096, 4ll << 30, "most bytes queued for one client; above it, close code 1013" },
	{ "WS_PING_INTERVAL", COUNT, CONF_BRIDGE, 0, AT(ws_ping_interval), "30000", 50, 3600000, "ms without a sign of life after which a client is pinged; two missed pings drop it" },
	{ "WS_MAX_CONNECTIONS", COUNT, CONF_BRIDGE, 0, AT(ws_max_connections), "10000", 1, 1000000, "WebSocket connections of one bridge" },
	{ "WS_CONNECT_RATE", COUNT, CONF_BRIDGE, 0, AT(ws_connect_rate), "1000", 0, 1000000, "new WebSocket connections per second; 0: no limit" },
	{ "WS_MESSAGE_RATE", COUNT, CONF_BRIDGE, 0, AT(ws_message_rate), "0", 0, 1000000, "messages per second of one connection, above which it is read more slowly; 0: no limit" },
	{ "WS_DRAIN_TIME", COUNT, CONF_BRIDGE, 0, AT(ws_drain_time), "1000", 0, 600000, "ms over which the closes (1012) of a restart are spread" },
	{ "WS_DB_TIMEOUT", COUNT, CONF_BRIDGE, 0, AT(ws_db_timeout), "9000", 100, 600000, "ms after which a mutation is answered with an error while the database is away" },
	{ "CHANGE_LOG_KEEP", COUNT, CONF_BRIDGE, 0, AT(change_log_keep), "100000", 1, INT64_MAX, "changes of a workspace that the log keeps for resuming clients" },
	{ "CHANGE_LOG_DAYS", COUNT, CONF_BRIDGE, 0, AT(change_log_days), "30", 1, 36500, "days that the log reaches back" },
	{ "RETRY_HOURS", COUNT, CONF_BRIDGE, 0, AT(retry_hours), "24", 1, 8760, "hours that a request of a named client (?client=) is remembered" },
	{ "ANTHROPIC_API_KEY", SECRET, BOX, 0, AT(anthropic_api_key), NULL, 1, 1024, "key for the model API of tasks whose client sends none" },
	{ "ANTHROPIC_BASE_URL", BASE_URL, BOX, 0, AT(anthropic_base_url), "https://api.anthropic.com", 8, 300, "the model API" },
	{ "ANTHROPIC_CA_FILE", REGULAR_FILE, BOX, 0, AT(anthropic_ca_file), NULL, 1, 4000, "PEM file of the authorities that the model API's certificate may come from; the system's when not set" },
	{ "SANDBOX_DIR", DIRECTORY, BOX, 0, AT(sandbox_dir), "/var/lib/craft-agent-cloud/sandboxes", 1, 1000, "directory of the sandboxes' files and the cache of repositories; one daemon's own" },
	{ "SANDBOX_LIBEXEC", DIRECTORY, BOX, 0, AT(sandbox_libexec), PKGLIBEXECDIR, 1, 1000, "directory of craft-box, craft-sandbox-launch and craft-sandbox-gateway" },
	{ "SANDBOX_AGENT", REGULAR_FILE, BOX, 0, AT(sandbox_agent), "/usr/local/bin/claude", 1, 4000, "Claude Code's program (npm: @anthropic-ai/claude-code)" },
	{ "SANDBOX_MAX", COUNT, BOX, 0, AT(sandbox_max), "20", 1, 1000, "sandboxes that this host runs at once" },
	{ "SANDBOX_WORKSPACE_MAX", COUNT, CONF_FCGI, 0, AT(sandbox_workspace_max), "10", 1, 1000000, "sandboxes that one workspace may have at once" },
	{ "SANDBOX_IDLE_TIMEOUT", COUNT, SERVING, 0, AT(sandbox_idle_timeout), "1800", 1, 31536000, "seconds without a heartbeat, a message or running work after which a sandbox ends" },
	{ "SANDBOX_TASK_TIMEOUT", COUNT, BOX, 0, AT(sandbox_task_timeout), "3600", 1, 31536000, "seconds after which a task is ended" },
	{ "SANDBOX_AGENT_IDLE", COUNT, BOX, 0, AT(sandbox_agent_idle), "300", 1, 31536000, "seconds after which the agent's process of a sandbox without work ends, to free its memory; the next task goes on with the conversation" },
	{ "SANDBOX_STREAM_KEEP", COUNT, BOX, 0, AT(sandbox_stream_keep), "86400", 1, 31536000, "seconds for which the messages of a sandbox are kept for clients that come back" },
	{ "SANDBOX_CLONE_TIMEOUT", COUNT, BOX, 0, AT(sandbox_clone_timeout), "600", 1, 86400, "seconds that a clone may take" },
	{ "SANDBOX_REPO_MAX", SIZE, BOX, 0, AT(sandbox_repo_max), "2G", 1 << 20, 1ll << 40, "largest repository, as it is transferred; without SANDBOX_DISK its checkout, too" },
	{ "SANDBOX_DIFF_MAX", SIZE, BOX, 0, AT(sandbox_diff_max), "32M", 1024, 256ll << 20, "largest diff; a longer one is cut and says so" },
	{ "SANDBOX_OUTPUT_MAX", SIZE, BOX, 0, AT(sandbox_output_max), "64M", 1024, 256ll << 20, "most output of one tool call; more is cut and says so" },
	{ "SANDBOX_MEMORY", SIZE, BOX, 0, AT(sandbox_memory), "2G", 0, 1ll << 44, "memory of one sandbox; 0: no limit" },
	{ "SANDBOX_CPU", COUNT, BOX, 0, AT(sandbox_cpu), "200", 0, 100000, "percent of one CPU that a sandbox gets; 0: no limit" },
	{ "SANDBOX_DISK", SIZE, BOX, 0, AT(sandbox_disk), "4G", 0, 1ll << 44, "disk space of one sandbox; 0: no limit" },
	{ "SANDBOX_PIDS", COUNT, BOX, 0, AT(sandbox_pids), "512", 16, 1000000, "processes and threads of one sandbox" },
	{ "SANDBOX_UID_BASE", COUNT, BOX, 0, AT(sandbox_uid_base), "700000", 1000, 4000000000, "first of SANDBOX_MAX + 2 user ids that belong to nobody else, for a daemon that is root" },
	{ "SANDBOX_EGRESS", TEXT, BOX, 0, AT(sandbox_egress), NULL, 1, 8000, "hosts (host, host:port, *.domain), with spaces between them, that sandboxes may reach besides the model API and GITHUB_URL" },
	{ "SANDBOX_PERMISSION_MODE", TEXT, BOX, 0, AT(sandbox_permission_mode), "bypassPermissions", 1, 64, "Claude Code's permission mode: bypassPermissions, acceptEdits, plan, default or dontAsk" },
	{ "SANDBOX_REQUIRE", TEXT, BOX, 0, AT(sandbox_require), "user-namespace pid-namespace network-namespace seccomp read-only-root", 1, 1000, "protections, with spaces between them, without which the daemon refuses to start, or none; it logs those in force" },
};
/* clang-format on */
#define KEY_COUNT (sizeof(keys) / sizeof(*keys))

static char **text_at(struct conf *conf, const struct conf_key *key)
{
	return (char **)(void *)((char *)conf + key->at);
}

static int64_t *number_at(struct conf *conf, const struct conf_key *key)
{
	return (int64_t *)(void *)((char *)conf + key->at);
}

static bool is_text_type(const struct conf_key *key)
{
	return key->type <= HEX_KEY;
}

static bool is_secret_type(const struct conf_key *key)
{
	return key->type == SECRET || key->type == KEY || key->type == HEX_KEY;
}

static const struct conf_key *find_key(struct slice name)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (slice_eq_str(name, keys[i].name))
			return &keys[i];
	}
	return NULL;
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

static void wipe(char *s)
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

static size_t origin_length(const char *s)
{
	size_t n = origin_prefix(s);
	return n && (s[n] == '\0' || strcmp(s + n, "/") == 0) ? n : 0;
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
	[ORIGIN] = { origin_length,
		     "characters of the form http://host[:port] or https://host[:port], without a path" },
	[BASE_URL] = { base_url_length,
		       "characters of the form http://host[:port][/path] or https://host[:port][/path]" },
	[SECRET] = { NULL, "characters" },
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
	char **at = text_at(conf, key);
	if (*at)
		wipe(*at);
	free(*at);
	*at = slice_dup(slice_make(value, kept));
	return true;
}

static bool set_number(struct conf *conf, const struct conf_key *key, const char *value, struct buf *error)
{
	if (parse_number(key, value, number_at(conf, key)))
		return true;
	buf_addf(error, "%s has a malformed value: %s", key->name, key->help);
	if (key->type != LEVEL)
		buf_addf(error, key->type == OCTAL ? " (octal, up to %llo)" : " (up to %lld)", (long long)key->max);
	return false;
}

/* Stores one value; on failure *error says what the key wants. The value itself is never repeated. */
static bool set_value(struct conf *conf, const struct conf_key *key, const char *value, struct buf *error)
{
	return is_text_type(key) ? set_text(conf, key, value, error) : set_number(conf, key, value, error);
}

/* KEY_FILE=path: the value is the file's content without the newline at its end. */
static bool set_from_file(struct conf *conf, const struct conf_key *key, const char *path, struct buf *error)
{
	char text[8194];
	FILE *f = fopen(path, "re");
	if (!f) {
		buf_addf(error, "%s_FILE: can't read %s: %s", key->name, path, strerror(errno));
		return false;
	}
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	text[n] = '\0';
	bool ok = set_value(conf, key, text, error);
	explicit_bzero(text, sizeof(text));
	return ok;
}

/* Applies NAME=value, where NAME may be a secret's KEY_FILE form. */
static bool set_named(struct conf *conf, struct slice name, const char *value, struct buf *error)
{
	const struct conf_key *key = find_key(name);
	if (key)
		return set_value(conf, key, value, error);
	static const char suffix[] = "_FILE";
	if (name.len > sizeof(suffix) - 1 && memcmp(name.ptr + name.len - 5, suffix, 5) == 0) {
		key = find_key(slice_make(name.ptr, name.len - 5));
		if (key && is_secret_type(key))
			return set_from_file(conf, key, value, error);
	}
	buf_addf(error, "unknown key %.*s", (int)(name.len > 100 ? 100 : name.len), name.ptr);
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

static bool load_line(struct conf *conf, char *line, struct buf *error)
{
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

static bool load_file(struct conf *conf, const char *path, bool must_exist, struct buf *error)
{
	FILE *f = fopen(path, "re");
	if (!f) {
		if (errno == ENOENT && !must_exist)
			return true;
		buf_addf(error, "can't read the configuration %s: %s", path, strerror(errno));
		return false;
	}
	autofree char *line = NULL;
	size_t cap = 0;
	bool ok = true;
	autobuf why = { 0 };
	for (int number = 1; ok && getline(&line, &cap, f) >= 0; number++) {
		ok = load_line(conf, line, &why);
		if (!ok)
			buf_addf(error, "%s:%d: %s", path, number, buf_cstr(&why));
	}
	if (line)
		explicit_bzero(line, cap);
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
		wipe(value);
		(void)unsetenv(name);
	}
	if (!ok)
		buf_add_str(error, " (set in the environment)");
	return ok;
}

static bool load_environment(struct conf *conf, struct buf *error)
{
	char name[64];
	for (size_t i = 0; i < KEY_COUNT; i++) {
		(void)snprintf(name, sizeof(name), "%s_FILE", keys[i].name);
		bool secret = is_secret_type(&keys[i]);
		if (secret && !load_variable(conf, name, false, error))
			return false;
		if (!load_variable(conf, keys[i].name, secret, error))
			return false;
	}
	return true;
}

static bool check_required(struct conf *conf, enum conf_program program, const char *path, struct buf *error)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if ((keys[i].required & (int)program) && is_text_type(&keys[i]) && !*text_at(conf, &keys[i])) {
			buf_addf(error, "%s is not set: put %s=… into %s or the environment (%s)", keys[i].name,
				 keys[i].name, path, keys[i].help);
			return false;
		}
	}
	return true;
}

bool conf_load(struct conf *conf, enum conf_program program, const char *path, struct buf *error)
{
	*conf = (struct conf){ 0 };
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (keys[i].fallback && !set_value(conf, &keys[i], keys[i].fallback, error))
			return false;
	}
	const char *named = path ? path : getenv("CRAFT_CONFIG");
	const char *file = named ? named : DEFAULT_FILE;
	if (!load_file(conf, file, named != NULL, error) || !load_environment(conf, error) ||
	    !check_required(conf, program, file, error))
		return false;
	log_set_level((enum log_level)conf->log_level);
	return true;
}

void conf_free(struct conf *conf)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (!is_text_type(&keys[i]))
			continue;
		char **at = text_at(conf, &keys[i]);
		if (*at)
			wipe(*at);
		free(*at);
		*at = NULL;
	}
}

void conf_print(const struct conf *conf, enum conf_program program, FILE *out)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		const struct conf_key *key = &keys[i];
		const char *field = (const char *)conf + key->at;
		if (!(key->programs & (int)program))
			continue;
		const char *text = NULL;
		int64_t number = 0;
		if (is_text_type(key))
			memcpy(&text, field, sizeof(text));
		else
			memcpy(&number, field, sizeof(number));
		if (is_secret_type(key))
			(void)fprintf(out, "%s=%s\n", key->name, text ? "(set)" : "(not set)");
		else if (is_text_type(key))
			(void)fprintf(out, "%s=%s\n", key->name, text ? text : "");
		else if (key->type == LEVEL)
			(void)fprintf(out, "%s=%s\n", key->name,
				      (const char *[]){ "error", "warn", "info", "debug" }[number]);
		else
			(void)fprintf(out, key->type == OCTAL ? "%s=%04llo\n" : "%s=%lld\n", key->name,
				      (long long)number);
	}
}

void conf_help(enum conf_program program, FILE *out)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (keys[i].programs & (int)program)
			(void)fprintf(out, "  %-23s %s (default: %s)\n", keys[i].name, keys[i].help,
				      keys[i].fallback ? keys[i].fallback : "none");
	}
}

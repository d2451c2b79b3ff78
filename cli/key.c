/* key.c: keys that open one workspace: making, listing and revoking them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/crypto.h>

#include "api_key.h"
#include "cli.h"
#include "clock.h"
#include "seal.h"

#define MAX_RATE 1000000
#define MAX_DAYS 36500

static const char sql_add[] =
	"select api.key_add($1, $2, $3, decode($4, 'hex'), $5, $6::boolean, $7::integer, $8::bigint)";
#define SHOWN_TIME(column) "to_char(" column " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
static const char sql_list[] =
	"select id, workspace, name, case when revoked_at is not null then 'revoked' when expired then 'expired' "
	"else 'live' end, case when read_only then 'read-only' else 'all' end, coalesce(per_minute::text, "
	"'-'), " SHOWN_TIME("created_at") ", " SHOWN_TIME("expires_at") ", " SHOWN_TIME(
		"last_used_at") " from api.keys($1)";
/* clang-format off */
static const char sql_list_json[] =
	"select coalesce(json_agg(json_build_object('id', id, 'workspace', workspace, 'name', name, "
	"'state', case when revoked_at is not null then 'revoked' when expired then 'expired' else 'live' end, "
	"'readOnly', read_only, 'perMinute', per_minute, 'createdAt', " SHOWN_TIME("created_at") ", "
	"'expiresAt', " SHOWN_TIME("expires_at") ", 'lastUsedAt', " SHOWN_TIME("last_used_at") ", "
	"'revokedAt', " SHOWN_TIME("revoked_at") ") order by workspace, created_at, id), '[]') from api.keys($1)";
/* clang-format on */
enum column { ID, WORKSPACE, NAME, STATE, MAY, RATE, CREATED, EXPIRES, LAST_USED };
static const char sql_form[] = "select api.seal_form()";
static const char sql_revoke[] = "select api.key_revoke($1, $2)";

static enum cli_exit usage(const char *text)
{
	(void)cli_fail("%s; try: craft-cloud --help", text);
	return CLI_USAGE;
}

/* ---- options ---- */

static bool whole_number(const char *text, int64_t most, int64_t *out, const char **end)
{
	size_t digits = strspn(text, "0123456789");
	*out = digits && digits < 10 ? strtoll(text, NULL, 10) : 0;
	*end = text + digits;
	return *out >= 1 && *out <= most;
}

/* "30d", "12h", "90m", "3600s". */
static bool parse_span(const char *text, int64_t *seconds)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	const char *end;
	int64_t n;
	if (!whole_number(text, 999999999, &n, &end))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		*seconds = n * units[i].seconds;
		if (end[0] == units[i].unit && end[1] == '\0')
			return *seconds <= (int64_t)MAX_DAYS * 86400;
	}
	return false;
}

/* "2027-01-31" (its beginning) or "2027-01-31T12:00:00Z", in UTC. */
static bool parse_date(const char *text, int64_t *at)
{
	struct tm day = { 0 }, moment = { 0 };
	const char *day_end = strptime(text, "%Y-%m-%d", &day), *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &moment);
	struct tm *tm = end && !*end ? &moment : &day;
	if (tm == &day && (!day_end || *day_end))
		return false;
	*at = (int64_t)timegm(tm);
	return true;
}

/* Milliseconds since 1970, as text. */
static bool expiry(const char *text, struct buf *ms)
{
	int64_t now = clock_wall_s(), at = 0, span = 0;
	if (parse_span(text, &span))
		at = now + span;
	else if (!parse_date(text, &at))
		return false;
	buf_addf(ms, "%" PRId64, at * 1000);
	return at > now && at - now <= (int64_t)MAX_DAYS * 86400;
}

/* ---- add ---- */

static void add_hex(struct buf *out, const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%02x", bytes[i]);
}

static bool seal_with(const char *hex, enum seal_form form, const char *workspace, struct slice key, struct buf *sealed)
{
	struct seal_key seal_key;
	const struct seal_place place = { .purpose = SEAL_API_KEY, .workspace = slice_of(workspace) };
	bool ok = seal_key_parse(hex, &seal_key) && seal_at(&seal_key, form, &place, key, sealed);
	OPENSSL_cleanse(&seal_key, sizeof(seal_key));
	return ok;
}

static enum cli_exit store(const struct conf *conf, const struct cli_options *o, struct slice key, const char *expires)
{
	unsigned char raw[API_KEY_HASH];
	autobuf sealed = { 0 }, hash = { 0 }, error = { 0 };
	struct slice id;
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	autoresult *form = cli_query(conn, sql_form, 0, NULL, &error);
	if (!form)
		return cli_fail("%s", buf_cstr(&error));
	bool bound = PQgetvalue(form, 0, 0)[0] == '2';
	if (!api_key_id(key, &id) || !api_key_hash(key, raw) ||
	    !seal_with(conf->encryption_key, bound ? SEAL_BOUND : SEAL_UNBOUND, o->workspace, key, &sealed))
		return cli_fail("OpenSSL could not encrypt");
	add_hex(&hash, raw, sizeof(raw));
	autobuf id_text = { 0 };
	buf_add_slice(&id_text, id);
	const char *const values[] = {
		buf_cstr(&id_text),	  o->workspace, o->name, buf_cstr(&hash), buf_cstr(&sealed),
		o->read_only ? "t" : "f", o->rate,	expires
	};
	autoresult *r = cli_query(conn, sql_add, 8, values, &error);
	if (!r)
		return cli_fail("%s", buf_cstr(&error));
	const char *status = PQgetvalue(r, 0, 0);
	if (strcmp(status, "exists") == 0)
		return cli_fail("this workspace has a key of that name; revoke it first, or choose another name");
	if (strcmp(status, "ok") != 0)
		return cli_fail("this workspace has %d keys already, and may have no more; revoke some", API_KEYS_MAX);
	return CLI_OK;
}

static bool is_name(const char *text, size_t most)
{
	size_t n = strlen(text);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	}
	return n >= 1 && n <= most;
}

enum cli_exit cli_key_add(const struct conf *conf, const struct cli_options *o)
{
	autobuf expires = { 0 };
	autowiped key = { 0 };
	const char *end;
	int64_t rate;
	if (!o->workspace || !*o->workspace || strlen(o->workspace) > 1024 || !o->name)
		return usage("key add needs --workspace and --name");
	if (strcmp(o->workspace, ".") == 0 || strcmp(o->workspace, "..") == 0)
		return usage("a workspace can't be called . or ..: no URL could name it");
	if (!is_name(o->name, 100))
		return usage("--name takes 1 to 100 bytes without control characters");
	if (o->rate && (!whole_number(o->rate, MAX_RATE, &rate, &end) || *end))
		return usage("--rate takes a number of requests a minute, up to 1000000");
	if (o->expires && !expiry(o->expires, &expires))
		return usage("--expires takes 30d, 12h, 90m, or a date such as 2027-01-31, that lies ahead");
	if (!conf->encryption_key) {
		(void)cli_fail("ENCRYPTION_KEY is not set: it is that of craft-fcgi");
		return CLI_USAGE;
	}
	if (!api_key_make(&key))
		return cli_fail("no random bytes are to be had");
	enum cli_exit result = store(conf, o, buf_slice(&key), o->expires ? buf_cstr(&expires) : NULL);
	if (result == CLI_OK)
		(void)puts(buf_cstr(&key));
	return result;
}

/* ---- list ---- */

static void print_list(const PGresult *r)
{
	(void)printf("%-16s  %-24s %-24s %-8s %-9s %8s  %-20s  %-20s  %s\n", "ID", "WORKSPACE", "NAME", "STATE", "MAY",
		     "A MINUTE", "CREATED", "EXPIRES", "LAST USED (HOUR)");
	for (int i = 0; i < PQntuples(r); i++) {
		(void)printf("%-16s  ", PQgetvalue(r, i, ID));
		cli_print_text(PQgetvalue(r, i, WORKSPACE), 24);
		(void)putchar(' ');
		cli_print_text(PQgetvalue(r, i, NAME), 24);
		(void)printf(" %-8s %-9s %8s  %-20s  %-20s  %s\n", PQgetvalue(r, i, STATE), PQgetvalue(r, i, MAY),
			     PQgetvalue(r, i, RATE), PQgetvalue(r, i, CREATED),
			     PQgetisnull(r, i, EXPIRES) ? "-" : PQgetvalue(r, i, EXPIRES),
			     PQgetisnull(r, i, LAST_USED) ? "-" : PQgetvalue(r, i, LAST_USED));
	}
}

enum cli_exit cli_key_list(const struct conf *conf, const struct cli_options *o)
{
	autobuf error = { 0 };
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	const char *const values[] = { o->workspace };
	autoresult *r = cli_query(conn, o->json ? sql_list_json : sql_list, 1, values, &error);
	if (!r)
		return cli_fail("%s", buf_cstr(&error));
	if (o->json)
		(void)puts(PQgetvalue(r, 0, 0));
	else
		print_list(r);
	return CLI_OK;
}

/* ---- revoke ---- */

enum cli_exit cli_key_revoke(const struct conf *conf, const struct cli_options *o)
{
	autobuf error = { 0 };
	if (!o->workspace || !o->name)
		return usage("key revoke needs --workspace and --name (the key's name or its id)");
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	const char *const values[] = { o->workspace, o->name };
	autoresult *r = cli_query(conn, sql_revoke, 2, values, &error);
	if (!r)
		return cli_fail("%s", buf_cstr(&error));
	if (PQgetisnull(r, 0, 0))
		return cli_fail("this workspace has no such key, or it was revoked before");
	(void)printf("revoked %s\n", PQgetvalue(r, 0, 0));
	return CLI_OK;
}

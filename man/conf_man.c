/* conf_man.c: writes craft-agent-cloud.conf(5) from the table of keys. It runs while the tree is built, on the machine
 * that builds, so it needs nothing but the table. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "conf_keys.h"

struct named_program {
	int bit;
	const char *page;
};

static const struct named_program programs[] = {
	{ CONF_FCGI, "craft-fcgi 8" },
	{ CONF_BRIDGE, "craft-ws-bridge 8" },
	{ CONF_SANDBOX, "craft-sandboxd 8" },
	{ CONF_ADMIN, "craft-cloud 1" },
};
#define PROGRAM_COUNT (sizeof(programs) / sizeof(*programs))

static const char head[] =
	".Dd January 1, 2026\n"
	".Dt CRAFT-AGENT-CLOUD.CONF 5\n"
	".Os\n"
	".Sh NAME\n"
	".Nm craft-agent-cloud.conf\n"
	".Nd configuration of craft-agent-cloud\n"
	".Sh DESCRIPTION\n"
	"The programs of craft-agent-cloud read lines\n"
	".Dq KEY=value\n"
	"from one file, each the keys that it knows what to do with.\n"
	"Spaces around key and value don't count, nor do empty lines and those that begin with #; quotes are part of the "
	"value.\n"
	"The last line of a key counts.\n"
	"An unknown key, or a value that isn't good, ends the program with a sentence that names file and line;\n"
	".Fl -check-config\n"
	"tells it before a restart, and\n"
	".Fl -print-config\n"
	"shows what is in force.\n"
	".Pp\n"
	"The environment has the same keys, and is over the file.\n"
	"Instead of a secret a file that holds it can be named, with\n"
	".Ev _FILE\n"
	"behind the key, as in\n"
	".Ev API_KEY_FILE Ns =/run/keys/craft .\n"
	".Pp\n"
	"The file holds secrets: it belongs to root, and only the group of the daemons may read it\n"
	".Pq 0640 .\n"
	"It is read at the start: after a change, restart the programs.\n"
	".Sh KEYS\n"
	".Bl -tag -width Ds\n";

static const char tail[] = ".El\n"
			   ".Sh FILES\n"
			   ".Bl -tag -width Ds\n"
			   ".It Pa " SYSCONFDIR "/craft-agent-cloud/craft-agent-cloud.conf\n"
			   "the file, when neither\n"
			   ".Fl -config\n"
			   "nor\n"
			   ".Ev CRAFT_CONFIG\n"
			   "names another one\n"
			   ".El\n"
			   ".Sh EXAMPLES\n"
			   "What an installation needs:\n"
			   ".Bd -literal -offset indent\n"
			   "API_KEY=<openssl rand -hex 32>\n"
			   "ENCRYPTION_KEY=<openssl rand -hex 32>\n"
			   "DATABASE_URL=postgresql://craft_daemon@/craft?host=/run/postgresql\n"
			   ".Ed\n"
			   ".Sh SEE ALSO\n"
			   ".Xr craft-cloud 1 ,\n"
			   ".Xr craft-cloud-setup-db 8 ,\n"
			   ".Xr craft-fcgi 8 ,\n"
			   ".Xr craft-sandboxd 8 ,\n"
			   ".Xr craft-ws-bridge 8\n";

/* Text in a line of its own, with nothing in it that roff would take for its own. */
static void put_text(const char *text)
{
	if (*text == '.' || *text == '\'')
		(void)fputs("\\&", stdout);
	for (; *text; text++) {
		if (*text == '\\')
			(void)fputs("\\e", stdout);
		else
			(void)putchar(*text);
	}
}

static bool is_number(const struct conf_key *key)
{
	return key->type == COUNT || key->type == SIZE;
}

static void put_size(int64_t bytes)
{
	static const char units[] = "KMGT";
	const char *unit = NULL;
	for (const char *next = units; bytes && bytes % 1024 == 0 && *next; next++) {
		bytes /= 1024;
		unit = next;
	}
	(void)printf("%lld%.*s", (long long)bytes, unit ? 1 : 0, unit ? unit : "");
}

static void put_bounds(const struct conf_key *key)
{
	(void)fputs(key->type == SIZE ? "A size, in bytes or with K, M, G or T, from " : "A number from ", stdout);
	if (key->type == SIZE)
		put_size(key->min);
	else
		(void)printf("%lld", (long long)key->min);
	if (key->max == INT64_MAX) {
		(void)fputs(" on", stdout);
	} else {
		(void)fputs(" to ", stdout);
		if (key->type == SIZE)
			put_size(key->max);
		else
			(void)printf("%lld", (long long)key->max);
	}
	(void)puts(".");
}

static void put_programs(int which)
{
	int left = 0;
	for (size_t i = 0; i < PROGRAM_COUNT; i++)
		left += (which & programs[i].bit) != 0;
	for (size_t i = 0; i < PROGRAM_COUNT; i++) {
		if (!(which & programs[i].bit))
			continue;
		left--;
		(void)printf(".Xr %s %s\n", programs[i].page, left ? "," : ".");
	}
}

static void put_key(const struct conf_key *key)
{
	(void)printf(".It Ev %s\n", key->name);
	put_text(key->help);
	(void)puts(".");
	if (is_number(key))
		put_bounds(key);
	if (key->fallback) {
		(void)fputs("Default:\n.Ql ", stdout);
		put_text(key->fallback);
		(void)puts(" .");
	} else if (key->required) {
		(void)puts("It has no default and is needed by");
		put_programs(key->required);
	}
	(void)puts("Read by");
	put_programs(key->programs);
}

int main(void)
{
	(void)fputs(head, stdout);
	for (size_t i = 0; i < conf_key_count; i++)
		put_key(&conf_keys[i]);
	(void)fputs(tail, stdout);
	return fflush(stdout) != 0 || ferror(stdout);
}

/* known_holes.c: the table of holes, and the versions that are there. */
#include "known_holes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "deb_version.h"
#include "json.h"
#include "log.h"
#include "run_read.h"

#define ASK_MS 3000
#define AGENT_MS 10000 /* it is started as a whole to say its version */
#define MAX_VERSION 128

/* Packages of Debian's, by the release; the program that says its version otherwise. */
static const struct part {
	enum holes_part part;
	const char *name;
	const char *packages[3];
	const char *program;
	const char *option;
} parts[] = {
	{ HOLES_BUBBLEWRAP, "bubblewrap", { "bubblewrap" }, "bwrap", "--version" },
	{ HOLES_NGINX, "nginx", { "nginx" }, "nginx", "-v" },
	{ HOLES_GIT, "git", { "git" }, "git", "--version" },
	{ HOLES_LIBFCGI, "libfcgi", { "libfcgi0t64", "libfcgi0ldbl" }, NULL, NULL },
	{ HOLES_AGENT, "Claude Code", { NULL }, NULL, "--version" },
};
#define PARTS (sizeof(parts) / sizeof(*parts))

/* A hole, and the lines of releases that have it: versions from `from` on, and before `fixed`. Each line is mended by
 * itself, so each says where; versions between the lines aren't known to have it. */
#define LINES_MAX 9
/* clang-format off */
static const struct hole {
	enum holes_part part;
	const char *ids, *what;
	struct line {
		const char *from, *fixed, *mended;
	} lines[LINES_MAX];
} holes[] = {
	{ HOLES_BUBBLEWRAP, "CVE-2026-87766",
	  "files that are made while a box is set up follow a link of their parent's onto the host",
	  { { "0", "0.11", "mended in bubblewrap 0.12 and in Debian 13, not in Debian 12; our boxes have no such place below what the agent writes" },
	    { "0.11", "0.11.0-2", "mended in bubblewrap 0.12 and in Debian 13" },
	    { "0.11.1", "0.12", "mended in bubblewrap 0.12" } } },
	{ HOLES_NGINX, "CVE-2026-42533, CVE-2026-15176, CVE-2026-125283",
	  "memory is overwritten by requests where map has a regular expression, or alias follows a rewrite",
	  { { "0", "1.22.1-9+deb12u11", "mended in Debian 12's 1.22.1-9+deb12u11 and in nginx 1.30.7" },
	    { "1.23", "1.26.3-3+deb13u11", "mended in Debian 13's 1.26.3-3+deb13u11 and in nginx 1.30.7" },
	    { "1.27", "1.30.7", "mended in nginx 1.30.7" } } },
	{ HOLES_GIT, "CVE-2025-48384", "a clone with submodules can run what the repository holds",
	  { { "0", "1:2.39.5-0+deb12u3", "mended in Debian 12's 1:2.39.5-0+deb12u3 and in git 2.43.7" },
	    { "1:2.40", "1:2.43.7", "mended in git 2.43.7" },
	    { "1:2.44", "1:2.44.4", "mended in git 2.44.4" },
	    { "1:2.45", "1:2.45.4", "mended in git 2.45.4" },
	    { "1:2.46", "1:2.46.4", "mended in git 2.46.4" },
	    { "1:2.47", "1:2.47.3", "mended in Debian 13's 1:2.47.3-0+deb13u1 and in git 2.47.3" },
	    { "1:2.48", "1:2.48.2", "mended in git 2.48.2" },
	    { "1:2.49", "1:2.49.1", "mended in git 2.49.1" },
	    { "1:2.50", "1:2.50.1", "mended in git 2.50.1" } } },
	{ HOLES_LIBFCGI, "CVE-2025-23016", "who may write to the FastCGI socket overwrites memory of craft-fcgi",
	  { { "0", "2.4.2-2+deb12u1", "mended in Debian 12's 2.4.2-2+deb12u1 and in libfcgi 2.4.5" },
	    { "2.4.3", "2.4.5", "mended in libfcgi 2.4.5" } } },
	{ HOLES_AGENT, "a leak without a number",
	  "a repository's settings can send the model's key elsewhere before anybody has trusted it",
	  { { "0", "2.0.65", "mended in Claude Code 2.0.65" } } },
};
/* clang-format on */
#define HOLES (sizeof(holes) / sizeof(*holes))

static const struct part *part_of(enum holes_part part)
{
	size_t i = 0;
	while (i + 1 < PARTS && parts[i].part != part)
		i++;
	return &parts[i];
}

/* NULL: the version is in none of them. */
static const struct line *line_with(const struct hole *hole, struct slice version)
{
	for (size_t i = 0; i < LINES_MAX && hole->lines[i].from; i++) {
		const struct line *line = &hole->lines[i];
		if (deb_version_compare(version, slice_of(line->from)) >= 0 &&
		    deb_version_compare(version, slice_of(line->fixed)) < 0)
			return line;
	}
	return NULL;
}

const struct hole_found *known_hole_of(enum holes_part part, struct slice version, size_t *next,
				       struct hole_found *found)
{
	for (size_t i = *next; i < HOLES; i++) {
		const struct line *line = holes[i].part == part ? line_with(&holes[i], version) : NULL;
		if (!line)
			continue;
		*next = i + 1;
		*found = (struct hole_found){
			.part = part_of(part)->name, .ids = holes[i].ids, .what = holes[i].what, .mended = line->mended
		};
		return found;
	}
	return NULL;
}

/* ---- what is there ---- */

/* All packages at once: "NAME VERSION" a line, of those that are installed. */
static bool ask_dpkg(struct buf *out)
{
	const char *argv[2 + PARTS * 3 + 2] = { "dpkg-query", "-W", "-f=${db:Status-Status} ${Package} ${Version}\n" };
	size_t n = 3;
	for (size_t i = 0; i < PARTS; i++) {
		for (size_t j = 0; j < 3 && parts[i].packages[j]; j++)
			argv[n++] = parts[i].packages[j];
	}
	return run_read(argv, ASK_MS, false, out);
}

/* The rest of the line that begins so; empty: there is none. */
static struct slice line_of(struct slice text, const char *beginning)
{
	size_t n = strlen(beginning);
	while (text.len) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t len = end ? (size_t)(end - text.ptr) : text.len;
		if (len > n && memcmp(text.ptr, beginning, n) == 0)
			return slice_make(text.ptr + n, len - n);
		len += end != NULL;
		text = slice_make(text.ptr + len, text.len - len);
	}
	return text;
}

static bool packaged(struct slice packages, const struct part *part, struct buf *version)
{
	for (size_t j = 0; j < 3 && part->packages[j]; j++) {
		autobuf beginning = { 0 };
		buf_addf(&beginning, "installed %s ", part->packages[j]);
		struct slice found = packages.len ? line_of(packages, buf_cstr(&beginning)) : packages;
		if (found.len && found.len <= MAX_VERSION) {
			buf_add_slice(version, found);
			return true;
		}
	}
	return false;
}

/* The first word that begins with a digit, behind a slash too: "nginx version: nginx/1.22.1", "git version 2.39.5". Of
 * git with the epoch that Debian gives it, so that one table does for both. */
static bool said(const struct part *part, struct slice text, struct buf *version)
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+~";
	for (size_t i = 0; i < text.len; i++) {
		bool begins = i == 0 || strchr(" /v\n", text.ptr[i - 1]);
		if (!begins || text.ptr[i] < '0' || text.ptr[i] > '9')
			continue;
		size_t n = 0;
		while (i + n < text.len && text.ptr[i + n] && strchr(letters, text.ptr[i + n]) && n < MAX_VERSION)
			n++;
		if (part->part == HOLES_GIT)
			buf_add_str(version, "1:");
		buf_add_slice(version, slice_make(text.ptr + i, n));
		return true;
	}
	return false;
}

static bool read_file(const char *path, struct buf *out)
{
	char bytes[16384];
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
	if (n > 0)
		buf_add(out, bytes, (size_t)n);
	return n > 0;
}

/* Of a program that npm installed: its package says the version, without a start that takes a second. */
static bool ask_npm(const char *agent, struct buf *version)
{
	autofree char *path = realpath(agent, NULL);
	autobuf file = { 0 }, text = { 0 };
	struct slice name, value;
	char *slash = path ? strrchr(path, '/') : NULL;
	if (!slash)
		return false;
	*slash = '\0';
	buf_addf(&file, "%s/package.json", path);
	if (!read_file(buf_cstr(&file), &text) || !json_check(buf_slice(&text), NULL))
		return false;
	struct slice object = json_trim(buf_slice(&text));
	return json_kind_of(object) == JSON_OBJECT && json_get(object, "name", &name) &&
	       memmem(name.ptr, name.len, "claude-code", strlen("claude-code")) &&
	       json_get(object, "version", &value) && json_kind_of(value) == JSON_STRING && value.len <= MAX_VERSION &&
	       json_decode(value, version) && version->len > 0;
}

static bool ask_program(const struct part *part, const char *agent, struct buf *version)
{
	autobuf text = { 0 };
	bool is_agent = part->part == HOLES_AGENT;
	if (is_agent && agent && ask_npm(agent, version))
		return true;
	const char *const argv[] = { is_agent ? agent : part->program, part->option, NULL };
	return argv[0] && run_read(argv, is_agent ? AGENT_MS : ASK_MS, true, &text) && text.len &&
	       said(part, buf_slice(&text), version);
}

void known_holes_find(unsigned wanted, const char *agent, void (*found)(void *user, const struct hole_found *hole),
		      void *user)
{
	autobuf packages = { 0 };
	if (!ask_dpkg(&packages))
		buf_clear(&packages);
	for (size_t i = 0; i < PARTS; i++) {
		autobuf version = { 0 };
		struct hole_found hole;
		size_t next = 0;
		if (!(wanted & parts[i].part) ||
		    (!packaged(packages.len ? buf_slice(&packages) : slice_make(NULL, 0), &parts[i], &version) &&
		     !ask_program(&parts[i], agent, &version)))
			continue;
		while (known_hole_of(parts[i].part, buf_slice(&version), &next, &hole)) {
			hole.version = buf_cstr(&version);
			found(user, &hole);
		}
	}
}

static void log_one(void *user, const struct hole_found *hole)
{
	(void)user;
	log_warn(NULL, "%s %s has a known hole (%s): %s; %s", hole->part, hole->version, hole->ids, hole->what,
		 hole->mended);
}

void known_holes_log(unsigned wanted, const char *agent)
{
	known_holes_find(wanted, agent, log_one, NULL);
}

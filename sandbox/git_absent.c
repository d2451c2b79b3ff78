/* git_absent.c: submodules, Git LFS and histories that were cut: what is said of them, and what may be fetched. */
#include "git_absent.h"

#include <stdlib.h>
#include <strings.h>

#include "lib/cleanup.h"

#define NAMES_MAX 10
#define NAME_MAX_BYTES 100
/* Both lists are searched from their start: the commit decides how long they are. */
#define SUBMODULES_MAX 500

/* Records with a NUL behind each: "160000 ID STAGE\tPATH", "submodule.NAME.path\nVALUE" and .url, "apart", "lfs" and
 * after it the paths of pointers. */
const char git_absent_script[] =
	"git ls-files -s -z | grep -az '^160000 '\n"
	"git config --blob HEAD:.gitmodules -z --get-regexp '^submodule\\..*\\.(path|url)$'\n"
	"if [ \"$1\" ] && [ -e \"$GIT_DIR/shallow\" ]; then\n"
	"git merge-base HEAD \"$1\" >/dev/null\n"
	"[ $? != 1 ] || printf 'apart\\0'\n"
	"fi\n"
	"printf 'lfs\\0'\n"
	"git grep -lzaF --cached -e 'version https://git-lfs.github.com/spec/v1' -- ':(attr:filter=lfs)'\n"
	"exit 0\n";

struct module {
	struct slice name, path, url;
};

struct submodules {
	struct slice links[SUBMODULES_MAX]; /* paths */
	struct module modules[SUBMODULES_MAX];
	size_t link_count, module_count;
	bool more;
};

void git_absent_free(struct git_absent *absent)
{
	buf_free(&absent->repositories);
	buf_free(&absent->note);
}

/* ---- slices ---- */

static struct slice after(struct slice s, size_t n)
{
	return slice_make(s.ptr + n, s.len - n);
}

static bool skip(struct slice *s, const char *prefix)
{
	size_t n = strlen(prefix);
	if (s->len < n || memcmp(s->ptr, prefix, n) != 0)
		return false;
	*s = after(*s, n);
	return true;
}

static bool cut_end(struct slice *s, const char *suffix)
{
	size_t n = strlen(suffix);
	if (s->len < n || memcmp(s->ptr + s->len - n, suffix, n) != 0)
		return false;
	s->len -= n;
	return true;
}

/* Up to the first such byte, which is skipped; false: it isn't there. */
static bool take(struct slice *rest, char end, struct slice *out)
{
	const char *p = rest->len ? memchr(rest->ptr, end, rest->len) : NULL;
	if (!p)
		return false;
	*out = slice_make(rest->ptr, (size_t)(p - rest->ptr));
	*rest = after(*rest, out->len + 1);
	return true;
}

/* ---- URLs ---- */

/* As git does it (git-submodule(1)): below the repository's own URL, for each "../" one part less. */
static void resolve(struct slice url, const struct git_absent_names *names, struct buf *out)
{
	bool relative = false;
	buf_addf(out, "%s/%s.git", names->github_url, names->repo_key);
	for (bool up; (up = skip(&url, "../")) || skip(&url, "./"); relative = true) {
		const char *slash = up && out->len ? memrchr(out->data, '/', out->len) : NULL;
		out->len = slash ? (size_t)(slash - out->data) : out->len;
	}
	if (relative)
		buf_add_char(out, '/');
	else
		buf_clear(out);
	buf_add_slice(out, url);
}

static bool all_of(struct slice s, const char *more)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!alnum && (!c || !strchr(more, c)))
			return false;
	}
	return s.len > 0 && s.len <= 100;
}

/* The repository on the configured host that a URL names, by the configured protocol; false: it names none. */
static bool key_of(struct slice url, const char *github_url, struct slice *key)
{
	size_t n = strlen(github_url);
	struct slice owner, name;
	if (url.len <= n || strncasecmp(url.ptr, github_url, n) != 0 || url.ptr[n] != '/')
		return false;
	url = after(url, n + 1);
	(void)cut_end(&url, "/");
	(void)cut_end(&url, ".git");
	*key = name = url;
	return take(&name, '/', &owner) && all_of(owner, "-_") && all_of(name, "-_.") && !slice_eq_str(name, ".") &&
	       !slice_eq_str(name, "..");
}

/* ---- what git said ---- */

static struct module *module_named(struct submodules *l, struct slice name)
{
	for (size_t i = l->module_count; i > 0; i--)
		if (slice_eq(l->modules[i - 1].name, name))
			return &l->modules[i - 1];
	if (l->module_count == SUBMODULES_MAX)
		return NULL;
	l->modules[l->module_count] = (struct module){ .name = name };
	return &l->modules[l->module_count++];
}

/* The last one of a name counts, as in git. */
static void take_setting(struct submodules *l, struct slice record)
{
	struct slice name;
	if (!take(&record, '\n', &name))
		return;
	bool path = cut_end(&name, ".path");
	if (!path && !cut_end(&name, ".url"))
		return;
	struct module *m = module_named(l, name);
	if (m && path)
		m->path = record;
	else if (m)
		m->url = record;
}

static void take_link(struct submodules *l, struct slice record)
{
	struct slice before;
	if (l->link_count == SUBMODULES_MAX)
		l->more = true;
	else if (take(&record, '\t', &before) && record.len)
		l->links[l->link_count++] = record;
}

static struct slice url_of(const struct submodules *l, struct slice path)
{
	for (size_t i = 0; i < l->module_count; i++)
		if (slice_eq(l->modules[i].path, path))
			return l->modules[i].url;
	return slice_make(NULL, 0);
}

/* ---- the note ---- */

/* Names are the commit's to choose, and this is read by people and by a model: plain words, in quotes. */
static void add_name(struct slice name, size_t count, struct buf *names)
{
	if (count > NAMES_MAX)
		return;
	buf_add_str(names, count > 1 ? ", \"" : "\"");
	for (size_t i = 0; i < name.len && i < NAME_MAX_BYTES; i++) {
		unsigned char c = (unsigned char)name.ptr[i];
		buf_add_char(names, c > ' ' && c < 0x7f && c != '"' && c != '\\' ? (char)c : '?');
	}
	buf_add_char(names, '"');
}

struct listing {
	struct buf text;
	size_t count;
};

static void free_listing(struct listing *l)
{
	buf_free(&l->text);
}

static void list(struct listing *l, struct slice name)
{
	add_name(name, ++l->count, &l->text);
}

static void say(struct buf *note, const char *begin, struct listing *l, bool more, const char *end)
{
	if (!l->count)
		return;
	buf_addf(note, "%s%s", begin, buf_cstr(&l->text));
	if (l->count > NAMES_MAX)
		buf_addf(note, " and %s%zu more", more ? "at least " : "", l->count - NAMES_MAX);
	buf_add_str(note, end);
}

/* ---- the parts ---- */

static bool is_known(const struct buf *repositories, struct slice key)
{
	struct slice rest = buf_slice(repositories), line;
	while (take(&rest, '\n', &line))
		if (line.len == key.len && strncasecmp(line.ptr, key.ptr, key.len) == 0)
			return true;
	return false;
}

/* False: it is one too many. */
static bool add_repository(struct git_absent *absent, const char *own, struct slice key, size_t *count)
{
	if ((key.len == strlen(own) && strncasecmp(key.ptr, own, key.len) == 0) || is_known(&absent->repositories, key))
		return true;
	if (*count == GIT_ABSENT_REPOSITORIES)
		return false;
	buf_add_slice(&absent->repositories, key);
	buf_add_char(&absent->repositories, '\n');
	++*count;
	return true;
}

static void read_submodules(struct git_absent *absent, const struct git_absent_names *names, const struct submodules *l)
{
	autocall(free_listing) struct listing here = { 0 }, elsewhere = { 0 };
	size_t count = 0;
	for (size_t i = 0; i < l->link_count; i++) {
		autobuf url = { 0 };
		struct slice key;
		resolve(url_of(l, l->links[i]), names, &url);
		bool ours = key_of(buf_slice(&url), names->github_url, &key) &&
			    add_repository(absent, names->repo_key, key, &count);
		list(ours ? &here : &elsewhere, l->links[i]);
	}
	say(&absent->note,
	    "These submodules are empty directories until `git submodule update --init` fetches them: ", &here, l->more,
	    ". It works for public repositories, and for those to which this workspace has been given access too.\n");
	say(&absent->note, "These submodules are empty directories and can't be fetched in the sandbox: ", &elsewhere,
	    l->more, ". ");
	if (elsewhere.count)
		buf_addf(&absent->note,
			 "Only repositories whose URL in .gitmodules is relative or begins with %s/ can, and no more "
			 "than "
			 "%d.\n",
			 names->github_url, GIT_ABSENT_REPOSITORIES);
}

static void read_pointers(struct git_absent *absent, struct slice rest, bool cut)
{
	autocall(free_listing) struct listing files = { 0 };
	struct slice path;
	while (take(&rest, '\0', &path))
		list(&files, path);
	say(&absent->note, "These files are Git LFS pointers, their contents can't be fetched in the sandbox: ", &files,
	    cut, ".\n");
}

static void read_apart(struct git_absent *absent, const struct git_absent_names *names)
{
	autobuf text = { 0 };
	add_name(slice_of(names->branch), 1, &text);
	add_name(slice_of(names->trunk), 2, &text);
	buf_addf(&absent->note,
		 "The commit at which the branches %s part is further back than the history that is here, so that git "
		 "merge-base finds none; `git fetch --unshallow` brings all of it.\n",
		 buf_cstr(&text));
}

void git_absent_read(struct git_absent *absent, const struct git_absent_names *names, struct slice output, bool cut)
{
	struct slice record, setting;
	autofree struct submodules *l = xcalloc(1, sizeof(*l));
	l->more = cut;
	while (take(&output, '\0', &record) && !slice_eq_str(record, "lfs")) {
		setting = record;
		if (slice_eq_str(record, "apart"))
			read_apart(absent, names);
		else if (skip(&setting, "submodule."))
			take_setting(l, setting);
		else
			take_link(l, record);
	}
	read_submodules(absent, names, l);
	read_pointers(absent, output, cut);
}

/* ---- in the shadow ---- */

void git_absent_write(const struct git_absent *absent, struct buf *out)
{
	buf_add_slice(out, buf_slice(&absent->repositories));
	buf_add_char(out, '\n');
	buf_add_slice(out, buf_slice(&absent->note));
}

void git_absent_parse(struct git_absent *absent, struct slice text)
{
	struct slice line;
	while (take(&text, '\n', &line) && line.len) {
		buf_add_slice(&absent->repositories, line);
		buf_add_char(&absent->repositories, '\n');
	}
	buf_add_slice(&absent->note, text);
}

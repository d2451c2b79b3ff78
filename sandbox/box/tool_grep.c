/* tool_grep.c: Grep: a regular expression over files, by ripgrep, or by grep where there is no ripgrep. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "found.h"
#include "json.h"
#include "lines.h"
#include "tool.h"

#define MAX_WORDS 256
#define USUAL_LIMIT 250
#define MAX_FILES 1000000

enum mode { FILES, CONTENT, COUNT };

struct grep {
	enum mode mode;
	bool ripgrep;
	char *program;
	char *words[MAX_WORDS + 1]; /* all of them allocated */
	size_t count;
	uint64_t limit, offset; /* limit 0: none */
	bool cut;		/* there was more than limit */
};

static void free_grep(struct grep *g)
{
	for (size_t i = 0; i < g->count; i++)
		free(g->words[i]);
	free(g->program);
}

/* ---- its command line ---- */

static void add(struct grep *g, const char *option, const char *value)
{
	if (g->count + 2 > MAX_WORDS)
		tool_fail("glob has too many parts.");
	g->words[g->count++] = xstrdup(option);
	if (value)
		g->words[g->count++] = xstrdup(value);
}

static void add_number(struct grep *g, struct slice input, const char *name, const char *option)
{
	char text[24];
	int64_t n = tool_number(input, name, -1);
	if (n < 0)
		return;
	(void)snprintf(text, sizeof(text), "%" PRId64, n);
	add(g, option, text);
}

static void add_glob(struct grep *g, struct slice part)
{
	autofree char *glob = slice_dup(part);
	if (g->ripgrep) {
		add(g, "--glob", glob);
		return;
	}
	autobuf option = { 0 };
	buf_addf(&option, "--include=%s", glob);
	add(g, buf_cstr(&option), NULL);
}

/* Parts are separated by white space, and by commas where there are no braces. */
static void add_globs(struct grep *g, struct slice input)
{
	autofree char *globs = tool_optional_text(input, "glob");
	for (const char *p = globs ? globs : ""; *(p += strspn(p, " \t\n"));) {
		size_t n = strcspn(p, " \t\n");
		if (!memchr(p, '{', n) && memchr(p, ',', n))
			n = (size_t)((const char *)memchr(p, ',', n) - p);
		if (n)
			add_glob(g, slice_make(p, n));
		p += n + (p[n] == ',');
	}
}

static void add_mode(struct grep *g, struct slice input)
{
	if (g->mode == FILES) {
		add(g, "-l", NULL);
		add(g, "--null", NULL);
	} else if (g->mode == COUNT) {
		add(g, "-c", NULL);
		add(g, "-H", NULL);
	} else {
		if (tool_flag(input, "-n", true))
			add(g, "-n", NULL);
		if (tool_flag(input, "-o", false))
			add(g, "-o", NULL);
		struct slice none;
		bool context = json_get(input, "context", &none);
		add_number(g, input, context ? "context" : "-C", "-C");
		add_number(g, input, "-B", "-B");
		add_number(g, input, "-A", "-A");
	}
}

static void add_ripgrep_options(struct grep *g, struct slice input, const char *type)
{
	static const char *const never[] = { "!.git", "!.svn", "!.hg", "!.bzr", "!.jj", "!.sl" };
	add(g, "--no-config", NULL);
	add(g, "--no-messages", NULL);
	add(g, "--hidden", NULL);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		add(g, "--glob", never[i]);
	add(g, "--max-columns", "500");
	if (tool_flag(input, "multiline", false)) {
		add(g, "-U", NULL);
		add(g, "--multiline-dotall", NULL);
	}
	/* Files are sorted by time later. */
	if (g->mode != FILES)
		add(g, "--sort", "path");
	if (type)
		add(g, "--type", type);
}

static void add_grep_options(struct grep *g, struct slice input, const char *type)
{
	if (tool_flag(input, "multiline", false))
		tool_fail("multiline needs ripgrep, which this host doesn't have.");
	if (type)
		tool_fail("type needs ripgrep, which this host doesn't have. Use glob.");
	add(g, "-s", NULL);
	add(g, "-r", NULL);
	add(g, "-E", NULL);
	add(g, "-I", NULL);
	add(g, "--exclude-dir=.git", NULL);
}

/* Below the working directory paths are shown relative to it. */
static void add_path(struct grep *g, struct slice input)
{
	char here[PATH_MAX];
	autofree char *path = tool_path(input, "path");
	if (!path)
		return;
	autofree char *real = realpath(path, NULL);
	if (!real)
		tool_fail("Path %s: %s", errno == ENOENT ? "does not exist" : "cannot be searched", path);
	size_t n = getcwd(here, sizeof(here)) ? strlen(here) : 0;
	if (n && strcmp(real, here) == 0)
		return;
	add(g, "--", n && strncmp(real, here, n) == 0 && real[n] == '/' ? real + n + 1 : real);
}

static void make_command(struct grep *g, struct slice input)
{
	autofree char *pattern = tool_text(input, "pattern");
	autofree char *type = tool_optional_text(input, "type");
	g->program = lines_find_program("rg");
	g->ripgrep = g->program != NULL;
	if (!g->program)
		g->program = lines_find_program("grep");
	if (!g->program)
		tool_fail("There is neither ripgrep nor grep in this sandbox.");
	add(g, g->program, NULL);
	if (g->ripgrep)
		add_ripgrep_options(g, input, type);
	else
		add_grep_options(g, input, type);
	add_mode(g, input);
	if (tool_flag(input, "-i", false))
		add(g, "-i", NULL);
	add_globs(g, input);
	add(g, "-e", pattern);
	add_path(g, input);
}

/* ---- its output ---- */

static void print_pages(const struct grep *g, const char *before, const char *after)
{
	if (!g->cut && !g->offset)
		return;
	(void)fputs(before, stdout);
	if (g->cut)
		(void)printf("limit: %" PRIu64 "%s", g->limit, g->offset ? ", " : "");
	if (g->offset)
		(void)printf("offset: %" PRIu64, g->offset);
	(void)fputs(after, stdout);
}

/* Is the entry of this number, from 0 on, to be shown? Sets cut behind the last one. */
static bool is_shown(struct grep *g, uint64_t number)
{
	if (number < g->offset)
		return false;
	g->cut |= g->limit && number - g->offset >= g->limit;
	return !g->cut;
}

static uint64_t occurrences(struct slice line)
{
	uint64_t n = 0, place = 1;
	for (size_t i = line.len; i > 0 && line.ptr[i - 1] >= '0' && line.ptr[i - 1] <= '9'; i--, place *= 10)
		n += place * (uint64_t)(line.ptr[i - 1] - '0');
	return n;
}

static bool ends_in_zero(struct slice line)
{
	return line.len >= 2 && memcmp(line.ptr + line.len - 2, ":0", 2) == 0;
}

/* How many lines were shown; *total: the counts at their ends added up. */
static uint64_t print_lines(struct grep *g, struct lines *l, uint64_t *total)
{
	struct slice line;
	uint64_t number = 0, shown = 0;
	*total = 0;
	while (!g->cut && lines_next(l, '\n', &line)) {
		if ((g->mode == COUNT && ends_in_zero(line)) || !is_shown(g, number++))
			continue;
		tool_print(slice_make("\n", shown++ > 0));
		tool_print(line);
		*total += occurrences(line);
	}
	return shown;
}

static void collect_files(struct lines *l, struct found *found)
{
	struct slice name;
	while (found->count < MAX_FILES && lines_next(l, '\0', &name)) {
		struct stat st = { 0 };
		/* It has a NUL behind it. */
		(void)stat(name.ptr, &st);
		found_add(found, name.ptr, &st);
	}
	found_sort(found);
}

static void print_files(struct grep *g, const struct found *found)
{
	uint64_t shown = found->count > g->offset ? found->count - g->offset : 0;
	if (g->limit && shown > g->limit) {
		shown = g->limit;
		g->cut = true;
	}
	if (shown == 0) {
		(void)printf("No files found");
		return;
	}
	(void)printf("Found %" PRIu64 " %s", shown, shown == 1 ? "file" : "files");
	print_pages(g, " ", "");
	for (uint64_t i = 0; i < shown; i++) {
		tool_print(slice_make("\n", 1));
		tool_print(slice_of(found->files[g->offset + i].path));
	}
}

/* Files that can't be read are no fault of the search: they give code 2 without a word. */
static void check_end(struct lines *l, bool found)
{
	autobuf errors = { 0 };
	int code = lines_end(l, &errors);
	while (errors.len && errors.data[errors.len - 1] == '\n')
		errors.len--;
	if (code > 2 || (code == 2 && errors.len && !found))
		tool_fail("%s", errors.len ? buf_cstr(&errors) : "The search failed.");
}

static void search_files(struct grep *g, struct lines *l)
{
	autocall(found_free) struct found found = { 0 };
	collect_files(l, &found);
	check_end(l, found.count > 0);
	print_files(g, &found);
}

static void search_lines(struct grep *g, struct lines *l)
{
	uint64_t total, shown = print_lines(g, l, &total);
	check_end(l, shown > 0);
	if (shown == 0)
		(void)printf("No matches found");
	if (g->mode == CONTENT) {
		print_pages(g, "\n\n[Showing results with pagination = ", "]");
		return;
	}
	(void)printf("\n\nFound %" PRIu64 " total %s across %" PRIu64 " %s.", total,
		     total == 1 ? "occurrence" : "occurrences", shown, shown == 1 ? "file" : "files");
	print_pages(g, " with pagination = ", "");
}

static enum mode read_mode(struct slice input)
{
	autofree char *mode = tool_optional_text(input, "output_mode");
	if (!mode || strcmp(mode, "files_with_matches") == 0)
		return FILES;
	if (strcmp(mode, "content") == 0)
		return CONTENT;
	if (strcmp(mode, "count") == 0)
		return COUNT;
	tool_fail("output_mode must be content, files_with_matches or count.");
}

void tool_grep(struct slice input)
{
	autocall(free_grep) struct grep g = { .mode = read_mode(input) };
	g.limit = (uint64_t)tool_number(input, "head_limit", USUAL_LIMIT);
	g.offset = (uint64_t)tool_number(input, "offset", 0);
	make_command(&g, input);
	struct lines lines;
	lines_begin(&lines, g.program, g.words);
	if (g.mode == FILES)
		search_files(&g, &lines);
	else
		search_lines(&g, &lines);
}

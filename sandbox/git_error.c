/* git_error.c: a table of what git says when it fails (git 2.39 to 2.47, in English: LC_ALL=C). */
#include "git_error.h"

#include <stdio.h>

#define QUOTE_MAX 200

struct phrase {
	const char *text;
	enum git_outcome outcome;
};

/* The first that occurs counts, so what a host says about one repository stands above what is said of connections. */
static const struct phrase fetch_phrases[] = {
	{ "couldn't find remote ref", GIT_NO_BRANCH },
	{ "Remote branch", GIT_NO_BRANCH },
	{ "Authentication failed", GIT_UNAUTHORIZED },
	{ "returned error: 401", GIT_UNAUTHORIZED },
	{ "could not read Username", GIT_NO_ACCESS },
	{ "could not read Password", GIT_NO_ACCESS },
	{ "Repository not found", GIT_NO_ACCESS },
	{ "returned error: 403", GIT_NO_ACCESS },
	{ "returned error: 404", GIT_NO_ACCESS },
	{ "returned error: 410", GIT_NO_ACCESS },
	{ "/' not found", GIT_NO_ACCESS },
	{ "No space left on device", GIT_FAILED },
	{ "Disk quota exceeded", GIT_FAILED },
	{ "fsck error", GIT_FAILED },
	{ "File too large", GIT_TOO_LARGE },
	{ "unable to access", GIT_NETWORK },
	{ "RPC failed", GIT_NETWORK },
	{ "early EOF", GIT_NETWORK },
	{ "unexpected disconnect", GIT_NETWORK },
	{ "the remote end hung up", GIT_NETWORK },
	{ "unexpected EOF", GIT_NETWORK },
	{ "expected flush after", GIT_NETWORK },
	{ "invalid server response", GIT_NETWORK },
	{ "not valid: is this a git repository?", GIT_NETWORK },
	{ "unexpected http status", GIT_NETWORK },
	/* index-pack doesn't say that a signal ended it; RLIMIT_FSIZE's is the one that is ours. */
	{ "invalid index-pack output", GIT_TOO_LARGE },
	{ NULL, GIT_FAILED },
};

/* git doesn't always say why it can't write; on a disk of that very size there is one reason. */
static const struct phrase checkout_phrases[] = {
	{ "No space left on device", GIT_TOO_LARGE },
	{ "Disk quota exceeded", GIT_TOO_LARGE },
	{ "unable to write file", GIT_TOO_LARGE },
	{ "File too large", GIT_TOO_LARGE },
	{ NULL, GIT_FAILED },
};

enum git_outcome git_error_outcome(enum git_stage stage, struct slice errors)
{
	const struct phrase *p = stage == GIT_STAGE_FETCH ? fetch_phrases : checkout_phrases;
	while (p->text && !memmem(errors.ptr ? errors.ptr : "", errors.len, p->text, strlen(p->text)))
		p++;
	return p->outcome;
}

struct slice git_error_line(struct slice errors, const char *const *prefixes)
{
	const char *p = errors.ptr, *end = errors.ptr + errors.len;
	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		const char *stop = eol ? eol : end;
		for (const char *const *prefix = prefixes; *prefix; prefix++) {
			size_t n = strlen(*prefix);
			if ((size_t)(stop - p) > n && memcmp(p, *prefix, n) == 0)
				return slice_make(p + n, (size_t)(stop - p) - n);
		}
		p = stop + 1;
	}
	return slice_make(NULL, 0);
}

/* In quotes' stead: printable ASCII, no more than QUOTE_MAX of it. */
static void add_printable(struct slice s, struct buf *text)
{
	for (size_t i = 0; i < s.len && i < QUOTE_MAX; i++)
		buf_add_char(text, s.ptr[i] >= ' ' && s.ptr[i] < 0x7f ? s.ptr[i] : '?');
}

/* What the host itself says: of organizations that must be signed in to, for instance. */
static void add_remote(const struct git_error *about, struct buf *text)
{
	struct slice said = git_error_line(about->errors, (const char *const[]){ "remote: ", NULL });
	if (!said.len || memmem(said.ptr, said.len, "Repository not found", 20))
		return;
	buf_add_str(text, " It says: ");
	add_printable(said, text);
}

static void add_reason(const struct git_error *about, struct buf *text)
{
	static const char *const prefixes[] = { "fatal: ", "error: ", "bwrap: ", "craft-sandbox-launch: ", NULL };
	struct slice said = git_error_line(about->errors, prefixes);
	/* "unable to access 'URL': reason" */
	const char *colon = said.len ? memmem(said.ptr, said.len, "': ", 3) : NULL;
	if (colon)
		said = slice_make(colon + 3, said.len - (size_t)(colon + 3 - said.ptr));
	if (!said.len)
		return;
	buf_add_str(text, ": ");
	add_printable(said, text);
}

void git_error_size(int64_t bytes, struct buf *text)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;
	double n = (double)bytes;
	while (n >= 1024 && unit < 4) {
		n /= 1024;
		unit++;
	}
	buf_addf(text, n - (double)(int64_t)n < 0.05 ? "%.0f %s" : "%.1f %s", n, units[unit]);
}

static void add_too_large(enum git_stage stage, const struct git_error *about, struct buf *text)
{
	bool disk = stage == GIT_STAGE_CHECKOUT && about->errors.len;
	buf_addf(text, "%s is too large: it doesn't fit into ", about->repo_key);
	if (disk && about->disk) {
		buf_add_str(text, "the disk of a sandbox (SANDBOX_DISK, ");
		git_error_size(about->disk, text);
	} else {
		buf_add_str(text, "what a repository may take (SANDBOX_REPO_MAX, ");
		git_error_size(about->repo_max, text);
	}
	buf_add_str(text, ").");
}

static void add_no_access(const struct git_error *about, struct buf *text)
{
	buf_addf(text, "No access to %s: there is no such repository on %s, or ", about->repo_key, about->url);
	buf_add_str(text, about->has_token ? "the stored credential may not read it."
					   : "it is private and no credential is stored.");
	add_remote(about, text);
}

void git_error_text(enum git_outcome outcome, enum git_stage stage, const struct git_error *about, struct buf *text)
{
	switch (outcome) {
	case GIT_OK:
		return;
	case GIT_NO_ACCESS:
		add_no_access(about, text);
		return;
	case GIT_UNAUTHORIZED:
		buf_addf(text, "%s refused the stored credential for %s: access has to be granted again.", about->url,
			 about->repo_key);
		add_remote(about, text);
		return;
	case GIT_NO_BRANCH:
		if (*about->branch)
			buf_addf(text, "There is no branch %s in %s.", about->branch, about->repo_key);
		else
			buf_addf(text, "%s has no commits yet.", about->repo_key);
		return;
	case GIT_TOO_LARGE:
		add_too_large(stage, about, text);
		return;
	case GIT_TIMEOUT:
		buf_addf(text, "Cloning %s took longer than %jd s (SANDBOX_CLONE_TIMEOUT).", about->repo_key,
			 (intmax_t)about->timeout);
		return;
	case GIT_NETWORK:
		buf_addf(text, "%s could not be fetched from %s", about->repo_key, about->url);
		add_reason(about, text);
		return;
	case GIT_FAILED:
		buf_addf(text, "Cloning %s failed", about->repo_key);
		add_reason(about, text);
	}
}

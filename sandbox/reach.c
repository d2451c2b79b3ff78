/* reach.c: paths of the configuration below directories that only root may enter. */
#include "reach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"

#define STAGE "/mnt"

static bool others_pass(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && (st.st_mode & S_IXOTH);
}

/* May everybody search all directories above it? */
static bool others_reach(const char *path)
{
	autofree char *copy = realpath(path, NULL);
	if (!copy)
		return false;
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		bool pass = others_pass(copy);
		*slash = '/';
		if (!pass)
			return false;
	}
	return true;
}

static bool fail(const char *what, const char *path, struct buf *error)
{
	buf_addf(error, "%s %s: %s", what, path, strerror(errno));
	return false;
}

static bool make_target(const char *source, const char *target, struct buf *error)
{
	struct stat st;
	if (stat(source, &st) != 0)
		return fail("can't look at", source, error);
	if (S_ISDIR(st.st_mode))
		return mkdir(target, 0711) == 0 || fail("can't make", target, error);
	autoclose int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd >= 0 || fail("can't make", target, error);
}

static bool show(char **path, const char *name, struct buf *error)
{
	autobuf target = { 0 };
	buf_addf(&target, STAGE "/%s", name);
	if (!make_target(*path, buf_cstr(&target), error))
		return false;
	if (mount(*path, buf_cstr(&target), "none", MS_BIND | MS_REC, NULL) != 0)
		return fail("can't bind", *path, error);
	log_info(NULL, "%s is shown to sandboxes as %s, as others can't reach it", *path, buf_cstr(&target));
	free(*path);
	*path = xstrdup(buf_cstr(&target));
	return true;
}

bool reach_prepare(struct conf *conf, struct buf *error)
{
	struct {
		char **path;
		const char *name;
	} all[] = { { &conf->sandbox_dir, "sandboxes" },
		    { &conf->sandbox_libexec, "libexec" },
		    { &conf->sandbox_agent, "claude" },
		    { &conf->github_ca_file, "github-ca.pem" },
		    { &conf->anthropic_ca_file, "anthropic-ca.pem" } };
	bool staged = false;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		/* What isn't there is missed where it is needed. */
		if (!*all[i].path || access(*all[i].path, F_OK) != 0 || others_reach(*all[i].path))
			continue;
		if (!staged && mount("craft", STAGE, "tmpfs", MS_NODEV | MS_NOSUID, "mode=0711,size=64k") != 0)
			return fail("can't mount", STAGE, error);
		staged = true;
		if (!show(all[i].path, all[i].name, error))
			return false;
	}
	return true;
}

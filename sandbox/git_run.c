/* git_run.c: one hardened git in a box. */
#include "git_run.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "box_spec.h"
#include "lib/cleanup.h"
#include "lib/proxy.h"

#define ERRORS_MAX 65536
/* Of a list of arguments that is put together here. */
#define LIST_MAX 96

/* A NULL-terminated list of strings that live elsewhere. */
struct list {
	const char *items[LIST_MAX + 1];
	size_t count;
};

static void push(struct list *l, const char *item)
{
	if (l->count == LIST_MAX)
		abort();
	l->items[l->count++] = item;
}

static void push_all(struct list *l, const char *const *items)
{
	for (; items && *items; items++)
		push(l, *items);
}

struct git_user git_cache_user(const struct conf *conf)
{
	if (geteuid() != 0)
		return (struct git_user){ geteuid(), getegid() };
	return (struct git_user){ (uid_t)(conf->sandbox_uid_base + 1), (gid_t)(conf->sandbox_uid_base + 1) };
}

/* git reads nothing of the machine's or of a user's, asks nobody, and replaces no object by another. */
static const char *const fixed_environment[] = {
	"HOME",
	"/nonexistent",
	"PATH",
	"/usr/local/bin:/usr/bin:/bin",
	"LC_ALL",
	"C",
	"GIT_CONFIG_NOSYSTEM",
	"1",
	"GIT_CONFIG_GLOBAL",
	"/dev/null",
	"GIT_ATTR_NOSYSTEM",
	"1",
	"GIT_TERMINAL_PROMPT",
	"0",
	"GIT_ASKPASS",
	"/bin/false",
	"GIT_LFS_SKIP_SMUDGE",
	"1",
	"GIT_NO_REPLACE_OBJECTS",
	"1",
	NULL,
};

static const char *const fixed_settings[] = {
	"core.hooksPath=/dev/null",
	"core.fsmonitor=false",
	"core.sshCommand=/bin/false",
	"core.attributesFile=/dev/null",
	"core.excludesFile=/dev/null",
	"core.protectHFS=true",
	"core.protectNTFS=true",
	"core.fsync=none", /* what is lost by a crash is fetched anew */
	"submodule.recurse=false",
	"protocol.file.allow=never",
	"protocol.ext.allow=never",
	"transfer.fsckObjects=true",
	"gc.auto=0",
	"maintenance.auto=false",
	"advice.addEmbeddedRepo=false",
	"credential.helper=",
	NULL,
};

static const char *const network_settings[] = {
	"http.followRedirects=initial",
	"http.lowSpeedLimit=1000",
	"http.lowSpeedTime=60",
	"fetch.unpackLimit=1", /* always a pack, which can be linked and copied as it is */
	NULL,
};

static bool is_https(const char *url)
{
	return strncmp(url, "https://", 8) == 0;
}

/* Only the configured host is given the token, wherever a redirect leads. /proc/self/fd/3 is opened anew each time. */
static void add_helper(const struct conf *conf, struct buf *out)
{
	buf_addf(out,
		 "credential.%s.helper=!f() { test \"$1\" = get && echo username=x-access-token && printf password= && "
		 "cat /proc/self/fd/3; }; f",
		 conf->github_url);
}

static void add_settings(struct list *l, const char *const *settings)
{
	for (; settings && *settings; settings++) {
		push(l, "-c");
		push(l, *settings);
	}
}

/* The proxy's URL has a password in it, so git reads it from a descriptor, which stands behind the token's. */
static const char *proxy_of(const struct git_run_options *o)
{
	return o->network ? proxy_for(o->conf, o->conf->github_url) : NULL;
}

static const char *proxy_setting(const struct git_run_options *o)
{
	return o->token_fd >= 0 ? "include.path=/proc/self/fd/4" : "include.path=/proc/self/fd/3";
}

static int proxy_config(const char *proxy)
{
	autowiped text = { 0 };
	(void)buf_reserve(&text, strlen(proxy) + 64);
	buf_addf(&text, "[http]\n\tproxy = \"%s\"\n", proxy);
	return git_token(buf_slice(&text));
}

static void push_git(const struct git_run_options *o, struct list *command, struct buf *ca_file, struct buf *helper)
{
	push(command, "git");
	add_settings(command, fixed_settings);
	if (o->network)
		add_settings(command, network_settings);
	if (o->network && o->conf->github_ca_file) {
		buf_addf(ca_file, "http.sslCAInfo=%s", o->conf->github_ca_file);
		add_settings(command, (const char *const[]){ buf_cstr(ca_file), NULL });
	}
	if (proxy_of(o))
		add_settings(command, (const char *const[]){ proxy_setting(o), NULL });
	if (o->token_fd >= 0) {
		add_helper(o->conf, helper);
		add_settings(command, (const char *const[]){ buf_cstr(helper), NULL });
	}
	add_settings(command, o->settings);
}

/* The shell is there for the umask: packs are linked to where other users read them, and files of a checkout look as
 * everywhere. alone: where git looks into a nested repository, for instance to see whether a submodule was changed, it
 * starts a git there, which runs the filters that the configuration there names. So it finds no git. */
static const char shell_any[] = "umask 022; exec \"$@\"";
static const char shell_alone[] =
	"umask 022; git=$(command -v git); shift; export PATH=/nonexistent GIT_EXEC_PATH=/nonexistent; "
	"exec \"$git\" \"$@\"";

static void push_command(const struct git_run_options *o, struct list *command, struct buf *ca_file, struct buf *helper)
{
	push_all(command, (const char *const[]){ "/bin/sh", "-c", o->alone ? shell_alone : shell_any, "sh", NULL });
	if (o->program)
		push(command, o->program);
	else
		push_git(o, command, ca_file, helper);
	push_all(command, o->args);
}

void git_run_args(const struct git_run_options *o, struct buf *out)
{
	autobuf ca_file = { 0 }, helper = { 0 };
	struct list command = { 0 }, environment = { 0 }, readable = { 0 };
	push_command(o, &command, &ca_file, &helper);
	push_all(&environment, fixed_environment);
	push(&environment, "GIT_ALLOW_PROTOCOL");
	push(&environment, !o->network ? "none" : is_https(o->conf->github_url) ? "https" : "http");
	push_all(&environment, o->environment);
	push_all(&readable, o->readable);
	if (o->network && o->conf->github_ca_file)
		push(&readable, o->conf->github_ca_file);
	const struct git_spec spec = { .network = o->network,
				       .writable = o->writable,
				       .readable = readable.items,
				       .environment = environment.items,
				       .directory = o->directory,
				       .read_all = o->read_all,
				       .command = command.items };
	git_spec_args(&spec, out);
}

struct process *git_run(uv_loop_t *loop, const struct git_run_options *o, struct buf *error)
{
	autobuf args = { 0 }, launch = { 0 };
	const char *proxy = proxy_of(o);
	autoclose int proxy_fd = proxy ? proxy_config(proxy) : -1;
	if (proxy && proxy_fd < 0) {
		buf_add_str(error, "no memory for the proxy's address");
		return NULL;
	}
	int fds[2];
	size_t fd_count = 0;
	if (o->token_fd >= 0)
		fds[fd_count++] = o->token_fd;
	if (proxy)
		fds[fd_count++] = proxy_fd;
	git_run_args(o, &args);
	autofree const char **argv = box_spec_argv(&args);
	buf_addf(&launch, "%s/craft-sandbox-launch", o->conf->sandbox_libexec);
	const struct process_options options = { .name = o->name,
						 .launch = buf_cstr(&launch),
						 .argv = argv,
						 .uid = o->user.uid,
						 .gid = o->user.gid,
						 .cgroup = o->cgroup,
						 .max_file_size = o->max_file_size,
						 .fds = fds,
						 .fd_count = fd_count,
						 .input = o->input,
						 .output_max = o->output_max,
						 .errors_max = ERRORS_MAX,
						 .timeout = o->timeout,
						 .on_exit = o->on_exit,
						 .user = o->user_data };
	return process_start(loop, &options, error);
}

int git_token(struct slice token)
{
	if (!token.len)
		return -1;
	autoclose int fd = memfd_create("craft-git", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || write(fd, token.ptr, token.len) != (ssize_t)token.len ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -1;
	return steal_fd(&fd);
}

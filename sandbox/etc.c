/* etc.c: the files of /etc in the box. */
#include "etc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "box_spec.h"
#include "etc_links.h"
#include "lib/cleanup.h"
#include "lib/write_all.h"

const struct etc_host_path etc_host_paths[] = {
	{ "alternatives", true },     { "fonts", true },      { "ld.so.cache", false }, { "localtime", false },
	{ "mime.types", false },      { "protocols", false }, { "services", false },	{ "ssl/certs", true },
	{ "ssl/openssl.cnf", false }, { NULL, false },
};

static const struct {
	const char *name, *text;
} fixed_files[] = {
	{ "passwd", "root:x:0:0:root:/root:/usr/sbin/nologin\n"
		    "agent:x:1000:1000:agent:/home/agent:/bin/bash\n"
		    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n" },
	{ "group", "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n" },
	{ "hosts", "127.0.0.1\tlocalhost sandbox\n::1\tlocalhost\n" },
	{ "hostname", "sandbox\n" },
	{ "nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n" },
	{ "resolv.conf", "" },
};

static const char *const directories[] = { "claude-code", "ssl" };

static bool fail(struct buf *error, const char *dir, const char *name)
{
	buf_addf(error, "cannot make %s/%s: %s", dir, name, strerror(errno));
	return false;
}

/* Modes are set by hand: the daemon's umask may be anything, and the box reads as another user. */
static bool make_directory(int at, const char *name)
{
	return (mkdirat(at, name, 0755) == 0 || errno == EEXIST) && fchmodat(at, name, 0755, 0) == 0;
}

static bool write_file(int at, const char *name, struct slice text)
{
	autoclose int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || fchmod(fd, 0644) < 0)
		return false;
	return write_all(fd, text);
}

/* A value in quotes, as git-config(1) reads it. */
static void add_quoted(struct buf *out, const char *value)
{
	buf_add_char(out, '"');
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_add_char(out, '\\');
		if ((unsigned char)*p >= ' ')
			buf_add_char(out, *p);
	}
	buf_add_char(out, '"');
}

/* Over what a repository's settings would have in the agent's environment: another model API, a home or a proxy that
 * isn't there, programs that each shell and interpreter is to load. */
static const char *const managed_environment[][2] = {
	{ "ANTHROPIC_BASE_URL", "http://127.0.0.1:3129" },
	{ "ANTHROPIC_CUSTOM_HEADERS", "" },
	{ "API_TIMEOUT_MS", "600000" },
	{ "BASH_ENV", "" },
	{ "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1" },
	{ "CLAUDE_CODE_ENABLE_TELEMETRY", "" },
	{ "CLAUDE_CODE_SHELL", BOX_SHELL },
	{ "CLAUDE_CODE_SHELL_PREFIX", "" },
	{ "CLAUDE_CODE_SIMPLE", "" },
	{ "CLAUDE_CODE_SUBPROCESS_ENV_SCRUB", "" },
	{ "CLAUDE_CONFIG_DIR", "/home/agent/.claude" },
	{ "CLAUDE_ENV_FILE", "" },
	{ "ENV", "" },
	{ "HOME", "/home/agent" },
	{ "HTTPS_PROXY", "http://127.0.0.1:3128" },
	{ "HTTP_PROXY", "http://127.0.0.1:3128" },
	{ "LD_PRELOAD", "" },
	{ "NODE_OPTIONS", "" },
	{ "NO_PROXY", "127.0.0.1,localhost" },
	{ "PERL5OPT", "" },
	{ "RUBYOPT", "" },
	{ "SHELL", "/bin/bash" },
	{ "TMPDIR", "/tmp" },
	{ "http_proxy", "http://127.0.0.1:3128" },
	{ "https_proxy", "http://127.0.0.1:3128" },
	{ "no_proxy", "127.0.0.1,localhost" },
};

/* Over its hooks, and over rules that refuse what a task needs. The servers of its .mcp.json are kept out by the
 * agent's command line. */
static const char managed_rest[] =
	"\"disableAllHooks\":true,\"allowManagedHooksOnly\":true,\"apiKeyHelper\":\"\",\"awsAuthRefresh\":\"\","
	"\"awsCredentialExport\":\"\",\"gcpAuthRefresh\":\"\",\"otelHeadersHelper\":\"\",\"proxyAuthHelper\":\"\","
	"\"allowedMcpServers\":[],\"allowManagedMcpServersOnly\":true,\"strictKnownMarketplaces\":[],"
	"\"disableSkillShellExecution\":true,\"sandbox\":{\"enabled\":false,\"failIfUnavailable\":false},"
	"\"allowManagedPermissionRulesOnly\":true";
/* Everything is permitted also to one that the repository's settings keep from bypassing permissions. */
static const char managed_allow_all[] =
	",\"permissions\":{\"allow\":[\"Bash\",\"Edit\",\"Write\",\"MultiEdit\",\"NotebookEdit\",\"Read\",\"Glob\","
	"\"Grep\",\"Skill\","
	"\"Task\",\"WebFetch\",\"WebSearch\",\"EnterWorktree\",\"ExitWorktree\",\"Workflow\"]}";

static void managed_settings(const struct conf *conf, struct buf *out)
{
	buf_add_str(out, "{\"env\":{");
	for (size_t i = 0; i < sizeof(managed_environment) / sizeof(*managed_environment); i++)
		buf_addf(out, "%s\"%s\":\"%s\"", i ? "," : "", managed_environment[i][0], managed_environment[i][1]);
	buf_add_str(out, "},");
	buf_add_str(out, managed_rest);
	if (conf->sandbox_permission_mode && strcmp(conf->sandbox_permission_mode, "bypassPermissions") == 0)
		buf_add_str(out, managed_allow_all);
	buf_add_str(out, "}\n");
}

/* The repository keeps its plain URL; in the box it leads to the git gateway. */
static void gitconfig(const struct conf *conf, struct buf *out)
{
	autobuf prefix = { 0 };
	buf_addf(&prefix, "%s/", conf->github_url);
	buf_add_str(out, "[user]\n\tname = Craft Agent\n\temail = agent@sandbox.invalid\n"
			 "[safe]\n\tdirectory = /workspace\n"
			 "[url \"http://127.0.0.1:3130/\"]\n\tinsteadOf = ");
	add_quoted(out, buf_cstr(&prefix));
	buf_add_char(out, '\n');
}

/* Where the host's files are bound: a mount needs something to lie on. */
static bool make_mount_points(int at, const char *dir, struct buf *error)
{
	for (const struct etc_host_path *p = etc_host_paths; p->name; p++) {
		bool made = p->directory ? make_directory(at, p->name) : write_file(at, p->name, (struct slice){ 0 });
		if (!made)
			return fail(error, dir, p->name);
	}
	return true;
}

bool etc_write(const char *dir, const struct conf *conf, struct buf *error)
{
	autoclose int at = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0 || fchmod(at, 0755) < 0)
		return fail(error, dir, "");
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		if (!make_directory(at, directories[i]))
			return fail(error, dir, directories[i]);
	if (!make_mount_points(at, dir, error))
		return false;
	if (!etc_links_copy_host(at))
		return fail(error, dir, "(what the host's programs have in /etc)");
	for (size_t i = 0; i < sizeof(fixed_files) / sizeof(*fixed_files); i++)
		if (!write_file(at, fixed_files[i].name, slice_of(fixed_files[i].text)))
			return fail(error, dir, fixed_files[i].name);
	autobuf text = { 0 }, managed = { 0 };
	managed_settings(conf, &managed);
	if (!write_file(at, "claude-code/managed-settings.json", buf_slice(&managed)))
		return fail(error, dir, "claude-code/managed-settings.json");
	gitconfig(conf, &text);
	if (!write_file(at, "gitconfig", buf_slice(&text)))
		return fail(error, dir, "gitconfig");
	return true;
}

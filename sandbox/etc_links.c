/* etc_links.c: the part of the host's /etc that belongs to programs. */
#include "etc_links.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/write_all.h"

#define MAX_DEPTH 64
#define MAX_FILE (1 << 20)
#define MAX_FILES 4000
#define PACKAGES "/var/lib/dpkg/status"

/* ---- what may be seen ---- */

/* By its first name: what the box has from elsewhere, and the configuration of the host, its users, and its services.
 */
static const char *const never[] = {
	"alternatives",
	"fonts",
	"ssl",
	"claude-code",
	"craft-agent-cloud*",
	"ssh*",
	"shadow*",
	"gshadow*",
	"passwd*",
	"group*",
	"sub[ug]id*",
	"sudo*",
	"doas*",
	"pam.*",
	"security",
	"selinux",
	"apparmor*",
	"audit*",
	"environment*",
	"default",
	"profile*",
	"host*",
	"resolv*",
	"machine-*",
	"mtab",
	"fstab*",
	"crypt*",
	"systemd",
	"init*",
	"rc*",
	"cron*",
	"at.*",
	"apt",
	"dpkg",
	"network*",
	"NetworkManager",
	"netplan",
	"iproute2",
	"nftables*",
	"iptables*",
	"ufw",
	"ppp",
	"wireguard",
	"openvpn",
	"ipsec*",
	"strongswan*",
	"swanctl",
	"letsencrypt",
	"docker*",
	"containers",
	"containerd*",
	"kubernetes*",
	"cni",
	"krb5*",
	"ldap*",
	"nslcd*",
	"sssd*",
	"samba*",
	"postgresql*",
	"mysql*",
	"mariadb*",
	"redis*",
	"mongo*",
	"nginx*",
	"apache*",
	"lighttpd*",
	"haproxy*",
	"exim*",
	"postfix*",
	"*smtp*",
	"bind*",
	"unbound*",
	"cloud*",
	"puppet*",
	"chef*",
	"salt*",
	"ansible*",
	"prometheus*",
	"grafana*",
	"polkit*",
	"dbus*",
	"opt",
	"skel",
	"phpmyadmin*",
	"wordpress*",
	"roundcube*",
	"nextcloud*",
	"webapps",
	NULL,
};

/* By any of its names: where people put secrets. */
static const char *const private[] = {
	"*private*",
	"*secret*",
	"*passw*",
	"*credential*",
	"*token*",
	"*.key",
	"*.pem",
	"*.p12",
	"*.pfx",
	"*.jks",
	"*keytab*",
	"*netrc*",
	"*apikey*",
	"npmrc",
	"pip.conf",
	"settings.xml",
	"settings-security.xml",
	"*.bak",
	"*.dpkg-*",
	"*.ucf-*",
	"*~",
	NULL,
};

/* A file that lies in /etc itself is the host's configuration more often than a program's. */
static const char *const plain_files[] = { "locale.alias", "magic", "magic.mime", "rpc", "ethertypes", NULL };

/* Read by programs of /usr without a link. */
static const char *const unlinked[] = { "chromium.d", "ImageMagick-6", "ImageMagick-7", "perl", NULL };

static bool matches(const char *const *patterns, const char *name)
{
	for (; *patterns; patterns++)
		if (fnmatch(*patterns, name, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

bool etc_links_admitted(const char *path)
{
	size_t depth = 0;
	for (const char *p = path; *p; depth++) {
		char name[NAME_MAX + 1];
		size_t n = strcspn(p, "/");
		if (n == 0 || n > NAME_MAX)
			return false;
		memcpy(name, p, n);
		name[n] = '\0';
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || matches(private, name) ||
		    (depth == 0 && matches(never, name)))
			return false;
		p += n + (p[n] == '/');
	}
	return depth > 0;
}

/* ---- the links ---- */

struct search {
	const char *etc;
	struct buf *paths;
	struct buf at; /* the directory, as links see it: "/usr/lib" */
};

static bool is_known(const struct buf *paths, const char *path)
{
	for (size_t i = 0; i < paths->len; i += strlen(paths->data + i) + 1)
		if (strcmp(paths->data + i, path) == 0)
			return true;
	return false;
}

/* Takes "." and ".." out of an absolute path. */
static void normalize(const char *path, struct buf *out)
{
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (out->len && out->data[--out->len] != '/')
				;
		} else if (n > 0 && !(n == 1 && *p == '.')) {
			buf_add_char(out, '/');
			buf_add(out, p, n);
		}
		p += n + (p[n] == '/');
	}
}

/* A link in the directory leads there: if that is below /etc, its path is noted, and where it is a link again, so is
 * what that leads to. */
static void note(struct search *s, const char *dir, const char *target, int depth)
{
	autobuf joined = { 0 }, path = { 0 }, file = { 0 };
	char next[PATH_MAX];
	if (*target != '/')
		buf_addf(&joined, "%s/", dir);
	buf_add_str(&joined, target);
	normalize(buf_cstr(&joined), &path);
	if (strncmp(buf_cstr(&path), "/etc/", 5) != 0 || is_known(s->paths, path.data + 5) ||
	    !etc_links_admitted(path.data + 5))
		return;
	buf_add(s->paths, path.data + 5, path.len - 5 + 1);
	buf_addf(&file, "%s/%s", s->etc, path.data + 5);
	ssize_t n = depth < MAX_DEPTH ? readlink(buf_cstr(&file), next, sizeof(next) - 1) : -1;
	if (n <= 0)
		return;
	next[n] = '\0';
	*strrchr(path.data, '/') = '\0';
	note(s, path.data, next, depth + 1);
}

static void look_at_link(struct search *s, int fd, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(fd, name, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	note(s, buf_cstr(&s->at), target, 0);
}

/* Many, and nothing that runs. */
static bool is_left_out(const char *dir)
{
	static const char *const names[] = { "/usr/share/doc", "/usr/share/man", "/usr/share/info",
					     "/usr/src",       "/usr/include",	 NULL };
	for (const char *const *name = names; *name; name++)
		if (strcmp(dir, *name) == 0)
			return true;
	return false;
}

/* Takes the descriptor over. */
static void walk(struct search *s, int fd, int depth)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir && fd >= 0)
		(void)close(fd);
	size_t length = s->at.len;
	for (struct dirent *e; dir && (e = readdir(dir)); s->at.len = length) {
		if (e->d_type == DT_LNK)
			look_at_link(s, fd, e->d_name);
		if (e->d_type != DT_DIR || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		buf_addf(&s->at, "/%s", e->d_name);
		if (depth < MAX_DEPTH && !is_left_out(buf_cstr(&s->at)))
			walk(s, openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), depth + 1);
	}
	if (dir)
		(void)closedir(dir);
}

void etc_links_find(const char *usr, const char *etc, struct buf *paths)
{
	struct search s = { .etc = etc, .paths = paths };
	buf_add_str(&s.at, "/usr");
	walk(&s, open(usr, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
	buf_free(&s.at);
}

/* ---- the copies ---- */

struct copy {
	int from, to;
	size_t files;
};

static bool copy_path(struct copy *c, const char *path, int depth);

static bool is_open_to_all(const struct stat *st)
{
	mode_t wanted = S_ISDIR(st->st_mode) ? S_IROTH | S_IXOTH : S_IROTH;
	return st->st_uid == 0 && (st->st_mode & wanted) == wanted && !(st->st_mode & S_IWOTH);
}

static bool make_directory(int at, const char *path)
{
	return (mkdirat(at, path, 0755) == 0 || errno == EEXIST) && fchmodat(at, path, 0755, 0) == 0;
}

/* *pass: all directories above it are open to all, and are there in the copy. False: errno. */
static bool make_parents(const struct copy *c, const char *path, bool *pass)
{
	autofree char *dir = xstrdup(path);
	struct stat st;
	*pass = true;
	for (char *slash = strchr(dir, '/'); slash && *pass; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		*pass = fstatat(c->from, dir, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
			is_open_to_all(&st);
		if (*pass && !make_directory(c->to, dir))
			return false;
		*slash = '/';
	}
	return true;
}

static bool copy_file(const struct copy *c, const char *path)
{
	autobuf bytes = { 0 };
	struct stat st;
	autoclose int in = openat(c->from, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	/* It may be another one by now. */
	if (in < 0 || fstat(in, &st) < 0 || !S_ISREG(st.st_mode) || !is_open_to_all(&st) || st.st_size > MAX_FILE)
		return true;
	ssize_t n = read(in, buf_reserve(&bytes, MAX_FILE), MAX_FILE);
	bytes.len = n > 0 ? (size_t)n : 0;
	mode_t mode = st.st_mode & S_IXOTH ? 0755 : 0644;
	autoclose int out = openat(c->to, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	return out >= 0 && fchmod(out, mode) == 0 && write_all(out, buf_slice(&bytes));
}

static bool copy_link(const struct copy *c, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(c->from, path, target, sizeof(target) - 1);
	if (n <= 0)
		return true;
	target[n] = '\0';
	return symlinkat(target, c->to, path) == 0 || errno == EEXIST;
}

static bool copy_directory(struct copy *c, const char *path, int depth)
{
	int fd = openat(c->from, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return true;
	}
	bool good = make_directory(c->to, path);
	for (struct dirent *e; good && (e = readdir(dir));) {
		autobuf below = { 0 };
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		buf_addf(&below, "%s/%s", path, e->d_name);
		good = copy_path(c, buf_cstr(&below), depth + 1);
	}
	(void)closedir(dir);
	return good;
}

/* False: errno. What may not be copied is no fault. */
static bool copy_path(struct copy *c, const char *path, int depth)
{
	struct stat st;
	bool pass;
	if (!etc_links_admitted(path) || depth > MAX_DEPTH || fstatat(c->from, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return true;
	if (!strchr(path, '/') && !S_ISDIR(st.st_mode) && !matches(plain_files, path))
		return true;
	if (!S_ISLNK(st.st_mode) && !is_open_to_all(&st))
		return true;
	if (++c->files > MAX_FILES || !make_parents(c, path, &pass))
		return c->files > MAX_FILES;
	if (!pass)
		return true;
	if (S_ISDIR(st.st_mode))
		return copy_directory(c, path, depth);
	return S_ISLNK(st.st_mode) ? copy_link(c, path) : copy_file(c, path);
}

bool etc_links_copy(const char *etc, struct slice paths, int directory)
{
	autoclose int from = open(etc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct copy c = { .from = from, .to = directory };
	if (from < 0)
		return errno == ENOENT;
	for (size_t i = 0; i < paths.len; i += strlen(paths.ptr + i) + 1)
		if (!copy_path(&c, paths.ptr + i, 0))
			return false;
	for (const char *const *name = unlinked; *name; name++)
		if (!copy_path(&c, *name, 0))
			return false;
	return true;
}

bool etc_links_copy_host(int directory)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct buf known;
	static struct timespec changed;
	static bool found;
	struct stat st = { 0 };
	(void)pthread_mutex_lock(&lock);
	(void)stat(PACKAGES, &st);
	if (!found || st.st_mtim.tv_sec != changed.tv_sec || st.st_mtim.tv_nsec != changed.tv_nsec) {
		buf_free(&known);
		etc_links_find("/usr", "/etc", &known);
		changed = st.st_mtim;
		found = true;
	}
	bool good = etc_links_copy("/etc", buf_slice(&known), directory);
	(void)pthread_mutex_unlock(&lock);
	return good;
}

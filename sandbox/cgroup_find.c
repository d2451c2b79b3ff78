/* cgroup_find.c: which hierarchies of cgroups there are, and where in them directories can be made. */
#include "cgroup_find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define READ_MAX 65536

const char *const cgroup_names[CGROUP_CONTROLLERS] = { "memory", "pids", "cpu", "cpuacct", "cpuset" };

/* dir itself where the name is empty. */
static char *join(const char *dir, const char *name)
{
	struct buf path = { 0 };
	buf_addf(&path, "%s%s%s", dir, *name ? "/" : "", name);
	(void)buf_cstr(&path);
	return path.data;
}

bool cgroup_write(const char *dir, const char *name, const char *text)
{
	autofree char *path = join(dir, name);
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

bool cgroup_read(const char *dir, const char *name, struct buf *out)
{
	autofree char *path = join(dir, name);
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;
	size_t start = out->len;
	while (fd >= 0 && out->len - start < READ_MAX && (n = read(fd, buf_reserve(out, 4096), 4096)) > 0)
		out->len += (size_t)n;
	return n >= 0;
}

/* The path behind the line of /proc/self/cgroup that names the controller ("" is v2's line), as a heap text. */
static char *own_path(const char *self, const char *controller)
{
	size_t length = strlen(controller);
	for (const char *line = self; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		const char *names = strchr(line, ':');
		const char *path = names ? strchr(names + 1, ':') : NULL;
		if (!path)
			return NULL;
		for (const char *at = names + 1; at <= path; at += strcspn(at, ",:") + 1)
			if (strcspn(at, ",:") == length && strncmp(at, controller, length) == 0)
				return slice_dup(slice_make(path + 1, strcspn(path + 1, "\n")));
	}
	return NULL;
}

static bool make_dir(const char *path)
{
	return mkdir(path, 0755) == 0 || errno == EEXIST;
}

static bool is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool cgroup_inherit_cpuset(const char *from, const char *to)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		autobuf text = { 0 };
		if (!cgroup_read(from, files[i], &text) || !cgroup_write(to, files[i], buf_cstr(&text)))
			return false;
	}
	return true;
}

/* hierarchy/own/parent, made; where own isn't to be seen (a container's view), hierarchy/parent. NULL: errno. */
static char *make_parent(const char *hierarchy, const char *own, const char *parent, int controller)
{
	autofree char *inside = join(hierarchy, own && own[0] == '/' ? own + 1 : "");
	const char *above = is_dir(inside) ? inside : hierarchy;
	autofree char *path = join(above, parent);
	bool made = make_dir(path) && (controller != CGROUP_CPUSET || cgroup_inherit_cpuset(above, path));
	return made ? steal_ptr(&path) : NULL;
}

/* ---- v1: a hierarchy per controller ---- */

static void find_v1(const char *root, const char *self, const char *parent, struct cgroup_base *base, struct buf *about)
{
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		autofree char *named = join(root, cgroup_names[i]);
		/* Two controllers may share one hierarchy, with a link for each. */
		autofree char *hierarchy = realpath(named, NULL);
		autofree char *own = own_path(self, cgroup_names[i]);
		if (base->dirs[i] || !own || !hierarchy || !is_dir(hierarchy) ||
		    (i >= CGROUP_LIMITS && base->kind == CGROUP_NONE))
			continue;
		base->dirs[i] = make_parent(hierarchy, own, parent, i);
		if (base->dirs[i])
			base->kind = CGROUP_V1;
		else if (i < CGROUP_LIMITS)
			buf_addf(about, "%s%s: %s", about->len ? "; " : "", hierarchy, strerror(errno));
	}
}

/* ---- v2: one hierarchy, controllers handed down level by level ---- */

static bool has_word(struct buf *text, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = buf_cstr(text); *at; at += strcspn(at, " \n"), at += strspn(at, " \n"))
		if (strcspn(at, " \n") == length && strncmp(at, word, length) == 0)
			return true;
	return false;
}

/* The controllers that dir hands on to its children, after having been asked to. Bits by enum cgroup_controller. */
static unsigned hand_on(const char *dir)
{
	autobuf now = { 0 };
	for (int i = 0; i < CGROUP_LIMITS; i++) {
		char text[16];
		(void)snprintf(text, sizeof(text), "+%s", cgroup_names[i]);
		(void)cgroup_write(dir, "cgroup.subtree_control", text);
	}
	unsigned bits = 0;
	if (cgroup_read(dir, "cgroup.subtree_control", &now))
		for (int i = 0; i < CGROUP_LIMITS; i++)
			bits |= has_word(&now, cgroup_names[i]) ? 1u << i : 0;
	return bits;
}

/* A cgroup with processes hands nothing on: ours moves to a leaf. Where others stay behind, that doesn't help. */
static unsigned hand_on_from_leaf(const char *dir, const char *parent)
{
	unsigned bits = hand_on(dir);
	if (bits)
		return bits;
	char name[256];
	(void)snprintf(name, sizeof(name), "%s.daemon", parent);
	autofree char *leaf = join(dir, name);
	if (!make_dir(leaf) || !cgroup_write(leaf, "cgroup.procs", "0"))
		return 0;
	bits = hand_on(dir);
	if (!bits && cgroup_write(dir, "cgroup.procs", "0"))
		(void)rmdir(leaf);
	return bits;
}

static bool use_v2(const char *dir, const char *parent, unsigned bits, struct cgroup_base *base)
{
	autofree char *path = join(dir, parent);
	if (!bits || !make_dir(path))
		return false;
	bits &= hand_on(path);
	for (int i = 0; i < CGROUP_LIMITS; i++)
		if (bits & (1u << i))
			base->dirs[i] = join(dir, parent);
	if (bits)
		base->kind = CGROUP_V2;
	else
		(void)rmdir(path);
	return bits != 0;
}

/* First below our own cgroup, as a service that was delegated one. Else, which only root can, below the topmost: a
 * shell of root's shares its own with other processes. */
static bool find_v2(const char *root, const char *self, const char *parent, struct cgroup_base *base, struct buf *about)
{
	autobuf controllers = { 0 };
	if (!cgroup_read(root, "cgroup.controllers", &controllers))
		return false;
	autofree char *own = own_path(self, "");
	autofree char *dir = join(root, own && own[0] == '/' ? own + 1 : "");
	if (is_dir(dir) && use_v2(dir, parent, hand_on_from_leaf(dir, parent), base))
		return true;
	if (use_v2(root, parent, hand_on(root), base))
		return true;
	buf_addf(about, "%s: no controllers are delegated to this process", dir);
	return false;
}

void cgroup_find(const char *root, const char *self, const char *parent, struct cgroup_base *base, struct buf *about)
{
	*base = (struct cgroup_base){ 0 };
	if (find_v2(root, self, parent, base, about))
		return;
	find_v1(root, self, parent, base, about);
	if (base->kind == CGROUP_NONE && !about->len)
		buf_addf(about, "no cgroups below %s", root);
}

void cgroup_base_free(struct cgroup_base *base)
{
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		free(base->dirs[i]);
	*base = (struct cgroup_base){ 0 };
}

/* test_sandbox_escape.c: a real box as every sandbox gets it, and programs in it that try to get out, to look around,
 * or to use more than they may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "sandbox/disk.h"
#include "sandbox_temp.h"

#include "sandbox_escape.h"

/* ---- looking around ---- */

static void files_of_the_host(void **state)
{
	struct fixture *f = *state;
	prints(f, "cd / && echo * | sed 's/ sys / /'", "bin dev etc home lib lib64 opt proc run sbin tmp usr var workspace\n");
	prints(f, "echo $(ls /run /home /opt /var)", "/home: agent /opt: agent craft /run: sbx /var: tmp\n");
	refused(f, "ls $HOST || ls $HOST/inst");
	refused(f, "cat $HOST/secret");
	refused(f, "cat /proc/1/root$HOST/secret || cat /proc/self/cwd/../..$HOST/secret");
	refused(f, "cat $HOST/inst/" NEIGHBOUR "/disk/repo/secret");
	refused(f, "cat /etc/shadow || ls /root || ls /sys/kernel || ls /sys/class || ls /mnt");
	refused(f, "cat /proc/kcore >/dev/null || cat /proc/kmsg || dmesg");
	refused(f, "ls /run/postgresql || ls /run/dbus || ls /var/run || ls /run/systemd");
	refused(f, "ln -s $HOST/secret link && cat link");
	prints(f, "cat /etc/resolv.conf; hostname; id -u; id -g; id -un; pwd",
	       "sandbox\n1000\n1000\nagent\n/workspace\n");
}

static void processes_of_the_host(void **state)
{
	struct fixture *f = *state;
	prints(f, "tr '\\0' ' ' </proc/1/cmdline", "/opt/craft/craft-box init 3 ");
	refused(f, "cat /proc/1/environ || ls /proc/1/fd || cat /proc/1/maps");
	(void)shell(f, "tr '\\0' '\\n' </proc/self/environ; cat /proc/[0-9]*/cmdline");
	assert_null(strstr(buf_cstr(&f->output), "bwrap"));
	char script[128];
	(void)snprintf(script, sizeof(script), "[ -e /proc/%d ] && grep -q test_sandbox /proc/%d/comm", (int)getpid(),
		       (int)getpid());
	refused(f, script);
	refused(f, "kill -9 1 && sleep 0.2 && ! kill -0 1");
	refused(f, "renice -n -5 $$ || chrt -f 10 true");
}

static void descriptors(void **state)
{
	struct fixture *f = *state;
	prints(f, "for i in 0 1 2 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$i ] && echo -n $i,; done", "0,1,2,");
	/* The socket of process 1 can be seen, not had. */
	refused(f, "cat </proc/1/fd/3");
}

static void network(void **state)
{
	struct fixture *f = *state;
	prints(f, "echo $(tail -n +3 /proc/net/dev | cut -d: -f1)", "lo\n");
	refused(f, "bash -c \": </dev/tcp/127.0.0.1/$P\"");
	refused(f, "timeout 5 bash -c ': </dev/tcp/169.254.169.254/80'");
	refused(f, "timeout 5 bash -c ': </dev/tcp/1.1.1.1/53'");
	refused(f, "perl -MSocket -e 'socket(S, 17, SOCK_RAW, 0) or exit 1'");
	refused(f, "perl -MSocket -e 'socket(S, AF_INET, SOCK_RAW, 1) or exit 1'");
	refused(f, "perl -MSocket -e 'socket(S, 40, SOCK_STREAM, 0) or exit 1'");
	refused(f, "ip link add dummy0 type dummy || ip addr add 10.0.0.1/8 dev lo");
}

static void abstract_sockets_of_the_host(void **state)
{
	struct fixture *f = *state;
	char script[256];
	(void)snprintf(
		script, sizeof(script),
		"perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) or exit 1; connect(S, pack(\"Sa*\", AF_UNIX, "
		"\"\\0craft-test-%d\")) or exit 1'",
		(int)getpid());
	refused(f, script);
	/* The script itself is right: it connects outside. */
	assert_int_equal(system(script), 0);
}

/* ---- getting out ---- */

static void privileges(void **state)
{
	struct fixture *f = *state;
	prints(f, "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status | tr -d '\\t'",
	       "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\n"
	       "CapBnd:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:1\nSeccomp:2\n");
	refused(f, "su -c true || sudo -n true");
	refused(f, "perl -e '$> = 0; exit($> == 0 ? 0 : 1)'");
	refused(f, "cp /bin/sh sh && chmod 4755 sh && ./sh -p -c 'test $(id -u) = 0'");
	refused(f, "chown 0 . || chown 1001 .");
	refused(f, "mknod disk b 8 0 || mknod null c 1 3");
	/* Every mount but the root's own, which is read-only, has both. */
	refused(f, "grep -v ' / / ' /proc/self/mountinfo | grep -v -E 'nosuid.*nodev|nosuid.* - (devtmpfs|devpts) '");
}

static void namespaces_and_mounts(void **state)
{
	struct fixture *f = *state;
	refused(f, "unshare -U true || unshare -r true || unshare -m true || unshare -n true || unshare -p true");
	refused(f, "nsenter -t 1 -m true || nsenter -t 1 -U true");
	refused(f,
		"mount -t tmpfs none /tmp || mount -t proc none /proc || mount --bind / /tmp || mount -o remount,rw /");
	refused(f, "umount /proc || umount -l /etc || umount /run/sbx");
	refused(f, "chroot / true || pivot_root / /tmp");
	refused(f, "bwrap --ro-bind / / true");
	refused(f, "perl -e 'exit(syscall(272, 0x10000000) == 0 ? 0 : 1)'");
	refused(f, "strace -o /dev/null true");
}

static void writing_what_is_the_hosts(void **state)
{
	struct fixture *f = *state;
	refused(f, "for d in / /usr /usr/bin /usr/local/bin /etc /etc/ssl/certs /etc/claude-code /dev /opt /opt/craft "
		   "/opt/agent /run/sbx /home /var /proc; do touch $d/x && exit 0; done; exit 1");
	refused(f,
		"echo x >/etc/claude-code/managed-settings.json || echo x >/etc/gitconfig || rm -f /opt/agent/claude");
	refused(f, "echo x >/proc/sys/kernel/core_pattern || echo b >/proc/sysrq-trigger || echo x "
		   ">/proc/sys/kernel/hostname");
	refused(f, "echo 100000 >/proc/sys/user/max_user_namespaces");
	refused(f, "mkdir /sys || mkdir /sys/fs/cgroup/x");
	refused(f, "date -s 2001-01-01 || hostname other");
}

/* What belongs to the box can be written. */
static void its_own_places(void **state)
{
	struct fixture *f = *state;
	prints(f,
	       "for d in /workspace $HOME /tmp /var/tmp /dev/shm $TMPDIR; do echo x >$d/x && cat $d/x && rm $d/x; done",
	       "x\nx\nx\nx\nx\nx\n");
	prints(f, "echo x >/dev/null && head -c 3 /dev/zero | wc -c && head -c 3 /dev/urandom | wc -c", "3\n3\n");
	prints(f, "git config --get-all safe.directory; awk 'BEGIN { print 1 }'", "/workspace\n1\n");
	struct stat st;
	assert_int_equal(shell(f, "touch owned"), 0);
	autofree char *path = temp_path(f->instance.repo, "owned");
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_uid, geteuid() == 0 ? uids_own() + 2 : geteuid());
}

/* ---- using too much ---- */

static void places_in_memory_are_small(void **state)
{
	struct fixture *f = *state;
	refused(f,
		"for i in 1 2; do head -c 40M /dev/zero >/dev/shm/x$i || s=1; done; rm -f /dev/shm/x?; exit ${s:-0}");
	refused(f, "head -c 2M /dev/zero >/run/x; s=$?; rm -f /run/x; exit $s");
}

static void disk(void **state)
{
	struct fixture *f = *state;
	if (!f->instance.limited)
		skip();
	refused(f, "for i in 1 2 3 4 5 6 7 8; do head -c 16M /dev/zero >/tmp/f$i || exit 1; done");
	assert_int_equal(shell(f, "rm -f /tmp/f*"), 0);
	refused(f, "truncate -s 1T sparse");
}

static void memory_bomb(void **state)
{
	struct fixture *f = *state;
	if (!f->cgroup.memory)
		skip();
	int64_t before = cgroup_oom_kills(&f->cgroup);
	refused(f, "perl -e '$x = \"x\" x (1 << 20); $y .= $x for 1 .. 1000'");
	assert_true(cgroup_oom_kills(&f->cgroup) > before);
	assert_int_equal(shell(f, "echo alive"), 0);
	/* Nobody here takes itself out of the first line. */
	refused(f, "echo -1000 >/proc/self/oom_score_adj");
}

static size_t processes(const struct fixture *f)
{
	autobuf text = { 0 };
	size_t count = 0;
	temp_read(f->cgroup.pids, "cgroup.procs", &text);
	for (size_t i = 0; i < text.len; i++)
		count += text.data[i] == '\n';
	return count;
}

/* It stays in its bounds, and it ends with the box: nothing of it is left on the host. */
static void fork_bomb(void **state)
{
	struct fixture *f = *state;
	if (!f->cgroup.pids)
		skip();
	(void)shell(f, "b() { b | b & }; b; b; setsid sh -c 'while :; do (sleep 1000 &); done' & sleep 1");
	assert_true(processes(f) <= 64);
	box_kill(f->box);
	while (f->box)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	struct pace pace = { .last = uv_hrtime() / 1000000, .left = 20000 };
	while (processes(f) > 0 && !pace_over(&pace, uv_hrtime() / 1000000))
		(void)usleep(10000);
	assert_int_equal(processes(f), 0);
}

#define LIMITS 3

int main(void)
{
	autobuf about = { 0 };
	(void)snprintf(parent, sizeof(parent), "craft-test-%d", (int)getpid());
	(void)disk_own_mounts(&about);
	cgroups = cgroup_probe(parent, &about);
	struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_the_host),
		cmocka_unit_test(processes_of_the_host),
		cmocka_unit_test(descriptors),
		cmocka_unit_test(network),
		cmocka_unit_test(abstract_sockets_of_the_host),
		cmocka_unit_test(privileges),
		cmocka_unit_test(namespaces_and_mounts),
		cmocka_unit_test(writing_what_is_the_hosts),
		cmocka_unit_test(its_own_places),
		cmocka_unit_test(places_in_memory_are_small),
		cmocka_unit_test(disk),
		cmocka_unit_test(memory_bomb),
		cmocka_unit_test(fork_bomb),
	};
	const size_t count = sizeof(tests) / sizeof(*tests);
	for (size_t i = count - LIMITS; i < count && cgroups == CGROUP_NONE; i++)
		tests[i].name = "this machine can't limit a box (not root?)";
	return cmocka_run_group_tests(tests, setup, end_all);
}

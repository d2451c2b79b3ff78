// Attempts to get out of a box, to see what is not its own, and to use too much: each from the inside, through the real WebSocket.

import assert from "node:assert/strict";
import { readFileSync, statfsSync } from "node:fs";
import { after, before, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { waitFor } from "../harness/server.mjs";

const MEMORY = 400 << 20;
const DISK = 96 << 20;
const repoKey = "alice/notes";
let rig, sandbox, other;

before(async () => {
	rig = await startSandboxRig({ env: { SANDBOX_MEMORY: String(MEMORY), SANDBOX_DISK: String(DISK), SANDBOX_PIDS: "128" } });
	await rig.addRepo(repoKey);
	[sandbox, other] = await Promise.all([rig.ready(repoKey), rig.ready(repoKey)]);
	await other.bash("echo other-secret >secret.txt; echo other-secret >/tmp/secret.txt; echo other-secret >~/secret.txt");
});

after(() => rig?.stop());

/** What a command prints; its exit code doesn't matter. */
const sh = async (command, options) => (await sandbox.bash(`{ ${command}\n} 2>&1`, { fails: true, ...options })).output;

/** The number that perl's syscall() gets, and errno. */
const syscall = (...args) => {
	// perl refuses literal texts, which a call might change.
	const given = args.map((arg, i) => (typeof arg === "string" && arg.startsWith('"') ? `my $s${i} = ${arg}` : arg));
	return sh(`perl -e '$r = syscall(${given.join(", ")}); print "$r ", $! + 0'`);
};

test("no file of the host is there", async () => {
	for (const path of ["/root", "/home/agent/../../var/lib", "/etc/shadow", "/etc/ssh", "/boot", "/sys/class", "/sys/kernel", "/srv", "/mnt", "/media",
		rig.server.dir, "/run/postgresql", "/run/systemd", "/var/run"])
		assert.match(await sh(`ls -la ${path}`), /No such file|cannot access/, path);
	assert.match(await sh("find /sys -maxdepth 2 | sort"), /^(find: .*|\/sys\n\/sys\/fs\n\/sys\/fs\/cgroup\n)$/);
	const users = (await sh("cut -d: -f1 /etc/passwd")).trim().split("\n");
	assert.ok(users.includes("agent") && users.length <= 3, users.join(" "));
	assert.equal((await sh("hostname")).trim(), "sandbox");
});

test("nothing of another sandbox is there", async () => {
	const found = await sh("grep -rl other-secret / --exclude-dir=proc --exclude-dir=usr --exclude-dir=dev 2>/dev/null; true");
	assert.equal(found, "");
	assert.doesNotMatch(await sh("cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\\0' ' '"), /sandboxes|sandboxd|postgres|nginx/);
});

test("only its own processes are seen, and pid 1 tells nothing", async () => {
	const pids = (await sh("ls -d /proc/[0-9]*")).trim().split("\n");
	assert.ok(pids.length < 12, pids.join(" "));
	const cmdline = await sh("tr '\\0' ' ' </proc/1/cmdline");
	assert.match(cmdline, /^\/opt\/craft\/craft-box init \d+ $/);
	assert.doesNotMatch(await sh("cat /proc/1/environ"), /[A-Z_]*(KEY|TOKEN|SECRET|PASS)/);
	assert.match(await sh("ls -l /proc/1/fd /proc/1/root"), /Permission denied/);
	assert.match(await sh("kill -9 1; echo $?"), /^0|1/);
	assert.equal(await sh("echo alive"), "alive\n");
});

test("a program has three descriptors and no other", async () => {
	assert.match(await sh("readlink /proc/self/fd/{0..63}"), /^\S+\n\S+\n\S+\n$/);
});

test("the root, /usr, /etc, /dev, /proc/sys and /run can't be written", async () => {
	for (const file of ["/x", "/usr/x", "/etc/x", "/dev/x", "/opt/craft/x", "/run/sbx/x", "/etc/claude-code/managed-settings.json",
		"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/1/oom_score_adj"])
		assert.match(await sh(`echo x >${file}`), /Read-only|Permission denied|No such file|not permitted/, file);
	assert.match(await sh("head -c 1 /dev/mem /dev/kmsg /proc/kcore"), /No such file|Permission denied|not permitted/);
});

test("no network but the gateway's three ports", async () => {
	assert.equal((await sh("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '")).trim(), "lo");
	const listening = (await sh("tail -n +2 /proc/net/tcp | awk '$4 == \"0A\" { print $2 }' | cut -d: -f2 | sort"))
		.trim().split("\n").map((hex) => parseInt(hex, 16));
	assert.deepEqual(listening, [3128, 3129, 3130]);
	for (const host of [`127.0.0.1/${rig.server.port}`, "10.0.0.1/80", "169.254.169.254/80", "1.1.1.1/53"])
		assert.match(await sh(`timeout 5 bash -c 'echo >/dev/tcp/${host}'; echo $?`), /refused|unreachable|Invalid/, host);
	// Raw, packet and vsock sockets.
	for (const [domain, type] of [[2, 3], [17, 3], [40, 1]])
		assert.match(await sh(`perl -MSocket -e 'print socket(S, ${domain}, ${type}, 0) ? "open" : "refused: $!"'`), /refused/);
});

test("the proxy lets nothing through to the host, to private networks and to metadata", async () => {
	const { port } = rig.server;
	for (const target of [`127.0.0.1:${port}`, `localhost:${port}`, "[::1]:22", "169.254.169.254:80", "metadata.google.internal:80",
		"10.0.0.1:443", "192.168.1.1:80", "0x7f.1:22", "2130706433:22", "[::ffff:127.0.0.1]:22", new URL(rig.anthropic.url).host, new URL(rig.github.url).host, "example.org:443"]) {
		const answer = await sh(`exec 3<>/dev/tcp/127.0.0.1/3128; printf 'CONNECT ${target} HTTP/1.1\\r\\nHost: ${target}\\r\\n\\r\\n' >&3; timeout 10 head -n 1 <&3`);
		assert.match(answer, /^HTTP\/1\.1 40[03]/, `${target}: ${answer}`);
	}
	const told = await sandbox.wait((m) => m.type === "status" && m.egress?.host.includes("example.org"));
	assert.deepEqual([told.status, told.egress.allowed], ["ready", false]);
	assert.ok(told.egress.reason.length > 0);
});

test("the database's and the daemons' sockets can't be reached", async () => {
	assert.equal(await sh("find / -type s 2>/dev/null; ls /run"), "sbx\n");
	assert.match(await sh("ls /run/sbx"), /Permission denied/);
	assert.match(await sh("ls /run/sbx/../pg /run/sbx/../../run/fcgi.sock"), /No such file/);
	// Abstract names belong to the network namespace.
	assert.doesNotMatch(await sh("cat /proc/net/unix"), /postgres|PGSQL|dbus|systemd|craft-run/);
});

test("dangerous system calls are refused", async () => {
	const x64 = process.arch === "x64";
	if (!x64) return;
	const calls = { ptrace: [101, 0, 0, 0, 0], mount: [165, 0, 0, 0, 0, 0], umount2: [166, '"/proc"', 0], unshare: [272, 0x10000000],
		setns: [308, 0, 0], bpf: [321, 0, 0, 0], keyctl: [250, 0, 0, 0, 0, 0], add_key: [248, 0, 0, 0, 0, 0], io_uring_setup: [425, 1, 0],
		userfaultfd: [323, 0], perf_event_open: [298, 0, 0, -1, -1, 0], open_by_handle_at: [304, 0, 0, 0], chroot: [161, '"/tmp"'],
		pivot_root: [155, '"/"', '"/"'], kexec_load: [246, 0, 0, 0, 0], init_module: [175, 0, 0, '""'], process_vm_readv: [310, 1, 0, 0, 0, 0, 0] };
	for (const [name, args] of Object.entries(calls))
		assert.match(await syscall(...args), /^-1 (1|38)$/, name);
	assert.match(await syscall(56, 0x10000000 | 17, 0, 0, 0, 0), /^-1 1$/, "clone(CLONE_NEWUSER)");
	// TIOCSTI, also with bits beyond 32 set.
	assert.match(await syscall(16, 0, 0x5412, '"x"'), /^-1 1$/);
	assert.match(await syscall(16, 0, "0x100005412", '"x"'), /^-1 1$/);
});

test("no program gives more rights", async () => {
	assert.match(await sh("grep -E '^(NoNewPrivs|Seccomp|CapEff|CapBnd):' /proc/self/status"),
		/^CapEff:\s0+\nCapBnd:\s0+\nNoNewPrivs:\s1\nSeccomp:\s2\n$/);
	assert.doesNotMatch(await sh("su -c id root </dev/null; mount -t tmpfs x /tmp; unshare -r id; chroot / id; nsenter -t 1 -a id"), /uid=0/);
});

test("tools see the box, not the host, through symbolic links, and a diff holds the links only", async () => {
	await sandbox.bash("ln -sfn /etc/passwd link; ln -sfn / root; ln -sfn /proc/1/environ env");
	const read = await sandbox.tool("Read", { file_path: "/workspace/link" });
	assert.match(read.output, /agent/);
	assert.doesNotMatch(read.output, /postgres|www-data/);
	const diff = await sandbox.diff();
	assert.match(diff, /new file mode 120000/);
	assert.doesNotMatch(diff, /postgres|www-data|agent:x/);
	const write = await sandbox.tool("Write", { file_path: "/workspace/root/usr/evil", content: "x" });
	assert.equal(write.success, false);
	await sandbox.bash("rm link root env");
});

test("a fork bomb ends in the sandbox, which goes on, and the other doesn't notice", async () => {
	const bomb = sandbox.tool("Bash", { command: "bomb() { bomb | bomb & }; bomb; sleep 20", timeout: 4000 });
	assert.equal((await other.bash("echo fine")).output, "fine\n");
	const result = await bomb;
	assert.equal(result.success, false);
	await waitFor(async () => (await sandbox.tool("Bash", { command: "echo back" })).output === "back\n", { deadline: 30_000, every: 200 });
	assert.ok(rig.daemonProcesses().length < 150);
});

test("memory has a limit, and who goes beyond is told", async () => {
	const result = await sandbox.tool("Bash", { command: "exec perl -e '$x = \"x\" x (64 << 20); push @a, $x . $_ for 1 .. 40; print scalar @a'" });
	assert.equal(result.success, false);
	assert.match(result.error, /SANDBOX_MEMORY/);
	assert.equal(rig.server.psqlValue("select outcome from report.tasks order by queued_at desc limit 1"), "oom");
	assert.equal((await other.bash("echo fine")).output, "fine\n");
	assert.equal((await sandbox.bash("echo back")).output, "back\n");
});

test("the disk has a limit; /dev/shm too; the host's stays as it was", async () => {
	const free = () => statfsSync(rig.server.dir).bavail * statfsSync(rig.server.dir).bsize;
	const before = free();
	const filled = await sandbox.tool("Bash", { command: "for d in . ~ /tmp; do dd if=/dev/zero of=$d/fill bs=1M count=500 2>&1; done; du -cm fill ~/fill /tmp/fill | tail -n 1" });
	assert.match(filled.output, /No space left/);
	assert.ok(Number(/(\d+)\s+total/.exec(filled.output)[1]) <= DISK >> 20, filled.output);
	assert.ok(before - free() < 400 << 20);
	assert.match(await sh("dd if=/dev/zero of=/dev/shm/fill bs=1M count=500"), /No space left/);
	const failed = await sandbox.tool("Write", { file_path: "/workspace/more.txt", content: "x".repeat(1 << 20) });
	assert.match(failed.error, /space/i);
	await sandbox.bash("rm -f fill ~/fill /tmp/fill /dev/shm/fill");
	assert.equal((await sandbox.bash("echo back >b; cat b")).output, "back\n");
});

test("nothing that was tried is left on the host", () => {
	const [daemon] = rig.server.ready.pids["craft-sandboxd"];
	assert.match(readFileSync(`/proc/${daemon}/status`, "utf8"), /^State:\s+S/m);
	assert.deepEqual(rig.server.psql("select distinct status from report.sandboxes"), [["ready"]]);
});

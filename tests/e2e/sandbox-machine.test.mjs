// What a box is for programs that look at their machine: tools that Debian configures in /etc, and how much memory and how many CPUs there are.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { after, before, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";

const MEMORY = 768 << 20;
const repoKey = "alice/notes";
let rig, sandbox;

before(async () => {
	rig = await startSandboxRig({ env: { SANDBOX_MEMORY: String(MEMORY), SANDBOX_CPU: "100" } });
	await rig.addRepo(repoKey, { "pom.xml": "<project><modelVersion>4.0.0</modelVersion><groupId>a</groupId><artifactId>b</artifactId><version>1</version></project>\n",
		"Hello.java": 'public class Hello { public static void main(String[] a) { System.out.println("hello " + Runtime.getRuntime().availableProcessors()); } }\n' });
	sandbox = await rig.ready(repoKey);
});
after(() => rig?.stop());

const sh = async (command, options) => (await sandbox.bash(`{ ${command}\n} 2>&1`, { fails: true, ...options })).output;
const missing = (program) => (existsSync(program) ? false : `this machine can't: ${program} isn't installed`);

// ---- tools that have files in /etc ----

test("links of /usr into /etc lead somewhere, but for those to private and to the host's own files", async () => {
	const dangling = (await sh(`find /usr -xtype l -printf '%l\\n' | grep -E '(^|/)etc/' | sort -u`)).trim().split("\n").filter(Boolean);
	for (const target of dangling.filter((each) => existsSync(each)))
		assert.match(target, /^\/etc\/(ssl\/private|environment)$|settings\.xml$/, dangling.join(" "));
});

test("nothing private has come in", async () => {
	const found = (await sh("cd /etc; find . -type f -o -type l | sort")).trim().split("\n").map((each) => each.slice(2));
	assert.ok(found.includes("passwd") && found.length > 10);
	for (const name of found) {
		assert.doesNotMatch(name, /shadow|ssh|ssl\/private|craft-agent-cloud|environment|sudoers|pam\.d|machine-id|fstab|settings\.xml|\.key$/, name);
		if (/^(ssl\/certs|alternatives|fonts)\//.test(name)) continue;
		assert.equal(await Promise.resolve(statMode(name)), true, `${name} is not for everybody on the host`);
	}
	assert.match(await sh("echo x >/etc/x; echo x >>/etc/passwd; rm -f /etc/hosts; mkdir /etc/y"), /^.*Read-only.*\n.*(Read-only|Permission denied).*\n.*Read-only.*\n.*Read-only/);
	assert.equal(await sh("cut -d: -f1 /etc/passwd | tr '\\n' ' '"), "root agent nobody ");
});

/** Is it made by us, or readable for everybody on the host? */
function statMode(name) {
	try {
		readFileSync(`/etc/${name}`);
	} catch (error) {
		return error.code === "ENOENT" || error.code === "EISDIR";
	}
	return true;
}

test("the JDK of Debian compiles and runs", { skip: missing("/usr/lib/jvm/java-17-openjdk-amd64/bin/javac") }, async () => {
	const bin = "/usr/lib/jvm/java-17-openjdk-amd64/bin";
	assert.match(await sh(`${bin}/java -version`), /openjdk version "17/);
	assert.equal(await sh(`${bin}/javac -d /tmp Hello.java && ${bin}/java -cp /tmp Hello`, { timeout: 300_000, deadline: 300_000 }), "hello 1\n");
});

test("Maven starts", { skip: missing("/usr/share/maven/bin/mvn") }, async () => {
	assert.match(await sh("JAVA_HOME=/usr/lib/jvm/java-17-openjdk-amd64 mvn -o -B validate", { timeout: 300_000, deadline: 300_000 }), /BUILD SUCCESS/);
});

test("Chromium starts", { skip: missing("/usr/bin/chromium") }, async () => {
	const page = await sh("timeout 200 chromium --headless --no-sandbox --disable-gpu --dump-dom 'data:text/html,<p>he</p><script>document.write(6*7)</script>'",
		{ timeout: 300_000, deadline: 300_000 });
	assert.match(page, /<p>he<\/p>.*42/);
});

// ---- limits ----

test("programs count the CPUs that the sandbox may use", async () => {
	assert.ok(availableParallelism() > 1 || !process.env.CI, "this needs two CPUs to show anything");
	assert.equal(await sh("nproc"), "1\n");
	assert.equal(await sh("grep -c ^Cpus_allowed_list:.*[,-] /proc/self/status"), "0\n");
	assert.equal(await sh("python3 -c 'import os; print(len(os.sched_getaffinity(0)))'"), "1\n");
	if (existsSync("/usr/bin/node")) assert.equal(await sh("node -p 'require(\"os\").availableParallelism()'"), "1\n");
});

test("programs see the memory that the sandbox has", async (t) => {
	const limit = Number(await sh("cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null"));
	if (!limit) return t.skip("this machine can't: no control group for memory");
	assert.equal(limit, MEMORY);
	assert.match(await sh("echo 99999999999 >/sys/fs/cgroup/memory/memory.limit_in_bytes || echo max >/sys/fs/cgroup/memory.max"), /Read-only file system|Permission denied/);
	assert.match(await sh("echo 0 >/sys/fs/cgroup/memory/cgroup.procs || echo 0 >/sys/fs/cgroup/cgroup.procs"), /Read-only file system|Permission denied/);
	if (existsSync("/usr/bin/node")) {
		assert.equal(Number(await sh("node -p 'process.constrainedMemory()'")), MEMORY);
		const heap = Number(await sh("node -p 'v8.getHeapStatistics().heap_size_limit'"));
		t.diagnostic(`Node's heap: ${heap >> 20} MB of ${MEMORY >> 20}`);
		assert.ok(heap > 64 << 20 && heap < MEMORY, `${heap}`);
	}
	if (!missing("/usr/lib/jvm/java-17-openjdk-amd64/bin/java")) {
		const said = await sh("/usr/lib/jvm/java-17-openjdk-amd64/bin/java -XX:+PrintFlagsFinal -version");
		const heap = Number(/MaxHeapSize\s+=\s+(\d+)/.exec(said)?.[1]);
		t.diagnostic(`the JVM's heap: ${heap >> 20} MB of ${MEMORY >> 20}`);
		assert.ok(heap > 32 << 20 && heap < MEMORY, said.slice(0, 300));
	}
});

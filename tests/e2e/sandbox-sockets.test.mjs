// Memory of a box's sockets: what waits in those of TCP and UDP has a limit of its own, in Unix sockets it counts as the box's memory, and of
// netlink sockets there are few.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { waitFor } from "../harness/server.mjs";

const MEMORY = 512 << 20;
let rig, sandbox;

before(async () => {
	rig = await startSandboxRig({ env: { SANDBOX_MEMORY: String(MEMORY) } });
	await rig.addRepo("alice/notes", { "fill.py": FILL, "netlink.py": NETLINK });
	sandbox = await rig.ready("alice/notes");
});
after(() => rig?.stop());

// fill.py KIND SOCKETS: fills the queues of so many sockets and holds them until the file "stop" is there. Prints the bytes that the kernel took.
const FILL = `
import errno, os, resource, socket, sys, time
kind, wanted = sys.argv[1], int(sys.argv[2])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held, taken = [], 0

def big(s):
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        s.setsockopt(socket.SOL_SOCKET, option, 1 << 30)
    # The forms that pass the limit need a capability.
    for option in (32, 33):
        try:
            s.setsockopt(socket.SOL_SOCKET, option, 1 << 30)
            print("forced")
        except PermissionError:
            pass
    s.setblocking(False)

def full(s, data, send=None):
    global taken
    idle = 0
    while idle < 3:
        try:
            taken += (send or s.send)(data) or 0
            idle = 0
        except (BlockingIOError, InterruptedError):
            idle += 1
            time.sleep(0.001)
        except OSError as e:
            if e.errno not in (errno.ENOBUFS, errno.ENOMEM):
                raise
            return

def tcp():
    server = socket.create_server(("127.0.0.1", 0))
    a = socket.socket(); big(a)
    try: a.connect(server.getsockname())
    except BlockingIOError: pass
    b, _ = server.accept(); big(b)
    held.extend((a, b)); server.close()
    full(a, bytes(1 << 20)); full(b, bytes(1 << 20))

def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); big(s)
    s.bind(("127.0.0.1", 0)); s.connect(s.getsockname())
    held.append(s)
    # What doesn't fit is dropped without a word: enough to fill the queue that may be.
    for size in (60000, 1):
        for _ in range(8 if size > 1 else 300):
            try: s.send(bytes(size))
            except OSError: break

def unix(type):
    a, b = socket.socketpair(socket.AF_UNIX, type); big(a); big(b)
    held.extend((a, b))
    full(a, bytes(100000)); full(b, bytes(100000))

kinds = {"tcp": tcp, "udp": udp, "stream": lambda: unix(socket.SOCK_STREAM), "dgram": lambda: unix(socket.SOCK_DGRAM)}
why = "all"
try:
    for _ in range(wanted): kinds[kind]()
except OSError as e:
    why = errno.errorcode.get(e.errno, str(e))
print(kind, len(held), taken, why, hard, flush=True)
open("/tmp/filled", "w").close()
while not os.path.exists("/tmp/stop"): time.sleep(0.05)
`;

// netlink.py PROCESSES: each opens as many netlink sockets as it gets and fills their queues with answers. Prints how many, why not more, bytes in them.
const NETLINK = `
import errno, os, socket, struct, sys
request = struct.pack("=IHHIIBxHiII", 32, 18, 1, 1, 0, 0, 0, 1, 0, 0) # RTM_GETLINK of the first interface
ways, results = [os.pipe() for _ in range(3)], os.pipe()

def attack():
    held, why = [], "all"
    try:
        for _ in range(1000): held.append(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
    except OSError as e: why = errno.errorcode[e.errno]
    os.write(ways[0][1], b"x"); os.read(ways[1][0], 1)
    for s in held:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 30)
        s.bind((0, 0)); s.setblocking(False)
        for _ in range(3000):
            try: s.send(request)
            except OSError: break
    os.write(results[1], f"{len(held)} {why}\\n".encode())
    os.read(ways[2][0], 1)

count = int(sys.argv[1])
for _ in range(count):
    if os.fork() == 0:
        attack(); os._exit(0)
for _ in range(count): os.read(ways[0][0], 1)
os.write(ways[1][1], b"x" * count)
said = b""
while said.count(b"\\n") < count: said += os.read(results[0], 4096)
said = [line.split() for line in said.decode().splitlines()]
queued = sum(int(line.split()[4]) for line in open("/proc/net/netlink").readlines()[1:])
print(sum(int(n) for n, _ in said), *sorted({why for _, why in said}), queued)
os.write(ways[2][1], b"x" * count)
`;

const cgroup = async (name) => Number((await sandbox.bash(`cat /sys/fs/cgroup/memory/${name} 2>/dev/null || echo -1`)).output);

async function filled(kind, count) {
	await sandbox.bash("rm -f /tmp/stop /tmp/filled");
	let ended = false;
	const call = sandbox.tool("Bash", { command: `python3 fill.py ${kind} ${count} 2>&1`, timeout: 600_000 }, { deadline: 300_000 })
		.finally(() => { ended = true; });
	await waitFor(async () => ended || (await sandbox.bash("test -e /tmp/filled", { fails: true })).success, { deadline: 300_000, what: `${kind} to be full` });
	const sockets = await cgroup("memory.kmem.tcp.usage_in_bytes");
	await sandbox.bash("touch /tmp/stop");
	return { sockets, ...await call };
}

for (const [kind, count] of [["tcp", 100], ["udp", 500]])
	test(`${kind}: a sixteenth of the memory`, async (t) => {
		const limit = await cgroup("memory.kmem.tcp.limit_in_bytes");
		if (limit < 0) return t.skip("this machine can't: no control group of version 1 that counts sockets");
		assert.equal(limit, MEMORY / 16);
		const { sockets, output } = await filled(kind, count);
		t.diagnostic(`${sockets} bytes of ${limit}; ${output}`);
		assert.match(output, /^\w+ \d+ \d+ all \d+\n$/);
		// One packet of each is taken even when there is no room.
		assert.ok(sockets > limit * 0.8 && sockets < limit + count * 2 * 65536, `${sockets} of ${limit}`);
	});

for (const kind of ["stream", "dgram"])
	test(`Unix sockets (${kind}) count as memory`, async (t) => {
		if (await cgroup("memory.limit_in_bytes") !== MEMORY) return t.skip("this machine can't: no control group of version 1 for memory");
		const { success, error } = await filled(kind, 1500);
		assert.equal(success, false);
		assert.match(error, /memory limit of 536870912 bytes \(SANDBOX_MEMORY\) was reached/);
	});

test("netlink: few sockets, however many processes ask at once, and programs that list interfaces get theirs", async (t) => {
	const most = Math.max(16, Math.min(128, Math.floor((128 << 20) / (2 * Number(readFileSync("/proc/sys/net/core/rmem_max", "utf8"))))));
	const bytes = most * 2 * Number(readFileSync("/proc/sys/net/core/rmem_max", "utf8"));
	const said = (await sandbox.bash("python3 netlink.py 20", { timeout: 300_000, deadline: 300_000 })).output;
	t.diagnostic(`at most ${most}, ${bytes} bytes: ${said}`);
	const [, held, why, queued] = /^(\d+) (\w+) (\d+)\n$/.exec(said) ?? assert.fail(said);
	assert.deepEqual([Number(held), why], [most, "ENOBUFS"]);
	assert.ok(Number(queued) > 100_000 && Number(queued) < bytes + most * 65536, said);
	// All of them are there again.
	const list = "python3 -c 'import socket; print(socket.if_nameindex())'";
	assert.equal((await sandbox.bash(`for i in $(seq ${most + 10}); do ${list}; done | sort -u`, { timeout: 300_000, deadline: 300_000 })).output, "[(1, 'lo')]\n");
	if (existsSync("/usr/bin/node")) assert.equal((await sandbox.bash(`node -p 'Object.keys(require("os").networkInterfaces()).join()'`)).output, "lo\n");
	if (existsSync("/sbin/ip")) assert.match((await sandbox.bash("/sbin/ip -o link")).output, /^1: lo:/);
	// A flag that was asked for, and a protocol that isn't for boxes.
	const flags = "import fcntl, os, socket as s; x = s.socket(s.AF_NETLINK, s.SOCK_RAW | s.SOCK_NONBLOCK, 0); print(x.get_inheritable(), bool(fcntl.fcntl(x, fcntl.F_GETFL) & os.O_NONBLOCK))";
	assert.equal((await sandbox.bash(`python3 -c '${flags}'`)).output, "False True\n");
	assert.match((await sandbox.bash("python3 -c 'import socket as s; s.socket(s.AF_NETLINK, s.SOCK_RAW, 15)' 2>&1", { fails: true })).output, /not supported/);
});

test("netlink: a program that outlives the call that started it still lists interfaces", async () => {
	await sandbox.bash(`(sleep 1; python3 -c 'import socket; print(socket.if_nameindex())' >/tmp/later; mv /tmp/later /tmp/late) >/dev/null 2>&1 &`);
	await waitFor(async () => (await sandbox.bash("test -e /tmp/late", { fails: true })).success, { what: "its answer" });
	assert.equal((await sandbox.bash("cat /tmp/late")).output, "[(1, 'lo')]\n");
});

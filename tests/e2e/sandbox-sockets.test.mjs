// Memory of a box's sockets: what waits in those of TCP and UDP has a limit of its own, and in Unix sockets it counts as the box's memory.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { waitFor } from "../harness/server.mjs";

const MEMORY = 512 << 20;
let rig, sandbox;

before(async () => {
	rig = await startSandboxRig({ env: { SANDBOX_MEMORY: String(MEMORY) } });
	await rig.addRepo("alice/notes", { "fill.py": FILL });
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

// A clean Debian with a website in nginx and a PostgreSQL: the package is installed beside them, brought up by the three
// lines that its README and postinst name, used, upgraded while clients write and listen, and taken away again.

import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import https from "node:https";
import { after, before, test } from "node:test";
import { Room, bytes } from "../harness/files.mjs";
import { Load } from "../harness/oracle.mjs";
import { waitFor } from "../harness/server.mjs";
import { DebServer, at, configured, makeNextVersion, mountAll, packageFile, processes, read, reloadNginx, sh, shAsync, tried, write } from "./root.mjs";

const PORT = 443;
const SITE = "/etc/nginx/sites-available/default";
const CONF = "/etc/craft-agent-cloud/craft-agent-cloud.conf";
const INSTALL = "apt-get install -y --no-install-recommends";
let server, load;

const website = `server {
	listen 80 default_server;
	listen 443 ssl default_server;
	ssl_certificate /etc/ssl/certs/ssl-cert-snakeoil.pem;
	ssl_certificate_key /etc/ssl/private/ssl-cert-snakeoil.key;
	root /var/www/html;
	index index.html;
	error_page 404 /missing.html;
	add_header X-Site theirs;
	location / {
		try_files $uri $uri/ =404;
	}
	location ~ \\.secret$ {
		deny all;
	}
}
`;

/** What a browser gets of the website. */
const page = (target) => new Promise((resolve, reject) => {
	https.get({ host: "127.0.0.1", port: PORT, path: target, agent: false, rejectUnauthorized: false }, async (res) => {
		const parts = [];
		for await (const part of res) parts.push(part);
		resolve({ status: res.statusCode, site: res.headers["x-site"], text: Buffer.concat(parts).toString() });
	}).on("error", reject);
});

// Each step stands on the one before.
let broken = false;
const step = (name, body) => test(name, async (t) => {
	assert.ok(!broken, "an earlier step failed");
	broken = true;
	await body(t);
	broken = false;
});

const pages = ["/about.html", "/docs/", "/nothing-there", "/a.secret", "/workspaces.html"];
const seenBefore = new Map();

/** The site answers as it did before the package came. */
async function siteIsAsBefore(which = pages) {
	for (const target of which) assert.deepEqual(await page(target), seenBefore.get(target), target);
}

before(async () => {
	mountAll();
	sh("mkdir -p /var/www/html/docs && cd /var/www/html && for f in index about docs/index missing workspaces; do echo \"<h1>$f</h1>\" >$f.html; done; echo no >a.secret");
	write(SITE, website);
	// There is no init system here, and without one invoke-rc.d starts nothing unless it is allowed to.
	write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n");
	sh("chmod 755 /usr/sbin/policy-rc.d");
	sh("service postgresql start && nginx -t && service nginx start");
	for (const target of ["/", ...pages]) seenBefore.set(target, await page(target));
	assert.equal(seenBefore.get("/").text, "<h1>index</h1>\n");
});

// All that runs in here ends with process 1.
after(async () => { await load?.stop(); });

step("apt installs it: the user, keys of its own, nothing started", async () => {
	const out = sh(`${INSTALL} /srv/${packageFile("craft-agent-cloud")}`);
	for (const line of ["craft-cloud-setup-db", 'include "/etc/craft-agent-cloud/nginx/craft-agent-cloud.conf";', "systemctl enable --now craft-fcgi craft-ws-bridge"])
		for (const [where, text] of [["postinst", out], ["README.Debian", read("/usr/share/doc/craft-agent-cloud/README.Debian")]])
			assert.ok(text.includes(line), `${where} names ${line}`);
	assert.equal(sh(`stat -c '%a %U:%G' ${CONF}`), "640 root:craft-agent-cloud\n");
	assert.match(configured("API_KEY"), /^[0-9a-f]{64}$/);
	assert.match(configured("ENCRYPTION_KEY"), /^[0-9a-f]{64}$/);
	assert.notEqual(configured("API_KEY"), configured("ENCRYPTION_KEY"));
	assert.equal(configured("DATABASE_URL"), undefined);
	assert.ok(!out.includes(configured("API_KEY")), "the key isn't shown");
	assert.equal(sh("stat -c '%a %U:%G' /var/lib/craft-agent-cloud/blobs /run/craft-agent-cloud"),
		"2750 craft-agent-cloud:www-data\n2755 craft-agent-cloud:www-data\n");
	assert.equal(processes("craft-fcgi").length + processes("craft-ws-bridge").length, 0);
	await siteIsAsBefore(["/", ...pages]);
});

step("units: systemd has nothing to say against them, and what they may do is little", () => {
	assert.equal(sh("systemd-analyze verify --man=no craft-fcgi.service craft-ws-bridge.service craft-ws-bridge@1.service"), "");
	for (const unit of ["craft-fcgi", "craft-ws-bridge", "craft-ws-bridge@"])
		assert.match(sh(`systemd-analyze security --offline=true --threshold=25 ${unit}.service`), /Overall exposure level for \S+ \d\.\d OK/);
});

step("three lines bring it up, beside the website", async () => {
	assert.match(sh("craft-cloud-setup-db"), /wrote DATABASE_URL/);
	assert.equal(sh(`stat -c '%a %U:%G' ${CONF}`), "640 root:craft-agent-cloud\n");
	write(SITE, website.replace(/}\n$/, '\tinclude "/etc/craft-agent-cloud/nginx/craft-agent-cloud.conf";\n}\n'));
	await reloadNginx();
	sh("for s in craft-fcgi craft-ws-bridge; do update-rc.d $s enable; service $s start; done");
	server = new DebServer(PORT);
	await waitFor(async () => (await server.request("/workspace/team/labels")).status === 200, { what: "an answer over REST" });
	const uid = Number(sh("id -u craft-agent-cloud"));
	for (const name of ["craft-fcgi", "craft-ws-bridge"]) {
		const all = processes(name);
		assert.ok(all.length > 0, name);
		for (const { pid, uid: its, environ, cmdline } of all) {
			assert.equal(its, uid, `${name} ${pid} isn't root's or www-data's`);
			assert.ok(!`${environ}${cmdline}`.includes(server.apiKey), "no key to be seen");
		}
	}
	assert.notEqual(tried(`runuser -u www-data -- cat ${CONF}`).code, 0, "the website's user can't read the keys");
	await siteIsAsBefore();
	assert.equal((await server.request("/workspace/team/labels", { key: "wrong-key-wrong" })).status, 401);
});

step("a site that keeps its front page includes the paths only", async () => {
	write(SITE, website.replace(/}\n$/, '\tinclude "/etc/craft-agent-cloud/nginx/craft-agent-cloud-paths.conf";\n}\n'));
	await reloadNginx();
	await siteIsAsBefore(["/", ...pages]);
	assert.equal((await server.request("/workspace/team/labels")).status, 200);
});

step("changes over WebSockets and REST, files", async () => {
	load = await Load.start(server, { workspaces: 1, named: 2, plain: 1, rest: 1, listeners: 2 });
	// A connection for each request: one that idles is closed by nginx when it reads its configuration again, maybe just when
	// the next request leaves on it, which clients of HTTP send once more then (RFC 9112, 9.3.1).
	load.agent = new https.Agent({ keepAlive: false, rejectUnauthorized: false });
	await load.recovered(Date.now());
	assert.deepEqual(await load.check(), []);
	const room = new Room(server, "team");
	const data = bytes(3 << 20, 7);
	assert.equal((await server.request("/workspace/team/actions/new-chat", { method: "POST", body: { name: "kept" } })).status, 201);
	await room.put("s1/attachments/a.bin", data, { type: "application/octet-stream" });
	await room.holds("s1/attachments/a.bin", data);
	assert.match(sh("find /var/lib/craft-agent-cloud/blobs -type f -printf '%m %u:%g\\n' | sort -u"), /^640 craft-agent-cloud:www-data\n$/);
});

step("the next version comes while clients write and listen, and nothing is lost", async (t) => {
	const { version, next, file, number } = makeNextVersion();
	const old = [...processes("craft-fcgi"), ...processes("craft-ws-bridge")].map(({ pid }) => pid);
	const keys = read(CONF);
	load.writers.forEach((writer) => writer.statuses?.clear());
	await load.recovered(Date.now());
	let over = false, asked = 0;
	const failures = [];
	const asking = (async () => {
		while (!over) {
			const { status } = await server.request("/workspace/team/sessions", { agent: false }).catch((error) => ({ status: error.message }));
			asked++;
			if (status !== 200) failures.push(status);
		}
	})();
	const out = await shAsync(`${INSTALL} ${file}`).finally(() => { over = true; });
	await asking;
	await load.recovered(Date.now());
	assert.deepEqual(await load.check(), [], "the oracle");
	t.diagnostic(`${asked} requests, ${JSON.stringify(load.summary())}`);
	assert.equal(sh("dpkg-query -W -f '${Version} ${db:Status-Status}' craft-agent-cloud"), `${next} installed`);
	assert.notEqual(version, next);
	assert.equal((await server.query("select max(version) from app.schema_migration"))[0][0], String(Number(number)), out);
	assert.equal(read(CONF), keys, "the configuration stays");
	assert.deepEqual([...processes("craft-fcgi"), ...processes("craft-ws-bridge")].map(({ pid }) => pid).filter((pid) => old.includes(pid)), [], `old processes\n${out}`);
	assert.deepEqual(failures, [], `of ${asked} requests during the upgrade`);
	for (const writer of load.writers) if (writer.statuses) assert.deepEqual([...writer.statuses.keys()], [200], "changes over REST");
	await new Room(server, "team").holds("s1/attachments/a.bin", bytes(3 << 20, 7));
	await siteIsAsBefore(["/", ...pages]);
});

step("craft-cloud status has nothing to complain of", () => {
	const { code, out } = tried("craft-cloud status");
	assert.equal(code, 0, out);
});

step("the sandboxes' package: nothing is started, its unit is right, and it says what is missing", () => {
	const out = sh(`${INSTALL} /srv/${packageFile("craft-agent-cloud-sandbox")}`);
	for (const line of ["npm install -g @anthropic-ai/claude-code", "systemctl enable --now craft-sandboxd"]) assert.ok(out.includes(line), line);
	assert.equal(processes("craft-sandboxd").length, 0);
	assert.equal(sh("systemd-analyze verify --man=no craft-sandboxd.service"), "");
	for (const helper of ["craft-box", "craft-sandbox-gateway", "craft-sandbox-launch"]) sh(`test -x /usr/libexec/craft-agent-cloud/${helper}`);
	assert.match(sh("craft-sandboxd --print-config"), /^SANDBOX_LIBEXEC=\/usr\/libexec\/craft-agent-cloud$/m);
	const { code, out: said } = tried("craft-sandboxd");
	assert.equal(code, 1, said);
	assert.match(said, /^craft-sandboxd: SANDBOX_AGENT: \S+ can't be run: No such file or directory; it comes with npm install -g @anthropic-ai\/claude-code$/m);
	assert.ok(!said.includes(server.apiKey));
	sh("apt-get purge -y craft-agent-cloud-sandbox");
	assert.ok(!existsSync(at("/usr/sbin/craft-sandboxd")) && !existsSync(at("/usr/libexec/craft-agent-cloud")));
	assert.equal(tried("craft-cloud status").code, 0, "the server goes on");
});

step("removed and purged: the website stays, and so do the data and their keys", async () => {
	await load.stop();
	load = undefined;
	const key = configured("API_KEY");
	sh("apt-get remove -y craft-agent-cloud");
	assert.equal(processes("craft-fcgi").length + processes("craft-ws-bridge").length, 0);
	write(SITE, website);
	await reloadNginx();
	sh("apt-get purge -y craft-agent-cloud");
	assert.ok(!existsSync(at(CONF)));
	assert.ok(!existsSync(at("/var/log/craft-agent-cloud")));
	const kept = at("/var/lib/craft-agent-cloud/craft-agent-cloud.conf.kept");
	assert.equal(statSync(kept).mode & 0o777, 0o600);
	assert.equal(statSync(kept).uid, 0);
	assert.match(sh("find /var/lib/craft-agent-cloud/blobs -type f | wc -l"), /^[1-9]/);
	assert.equal((await page("/workspace/team/labels")).status, 404);
	await siteIsAsBefore(["/", ...pages]);

	sh(`${INSTALL} /srv/${packageFile("craft-agent-cloud")}`);
	assert.equal(configured("API_KEY"), key, "a new installation takes them back");
	assert.ok(configured("DATABASE_URL"));
});

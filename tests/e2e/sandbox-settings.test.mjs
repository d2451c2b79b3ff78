// What a repository brings for Claude Code (settings, memory, servers, and things that are no files) doesn't stop a task, and what a
// task wasn't permitted to do is told; fields of tools are honoured or refused. With the real Claude Code.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";

const repoKey = "alice/notes";
let rig, sandbox;

before(async () => {
	rig = await startSandboxRig({ env: { SANDBOX_TASK_TIMEOUT: "300" } });
	await rig.addRepo(repoKey, { "a.txt": "hello\n" });
	sandbox = await rig.ready(repoKey);
});
after(() => rig?.stop());

const settings = (object, file = "settings.json") => `mkdir -p .claude; cat >.claude/${file} <<'X'\n${JSON.stringify(object)}\nX`;

/** Each makes its files in a checkout that is as it came. */
const repositories = {
	"rules that deny, ask, and choose another mode": settings({ permissions: { deny: ["Read", "Bash", "Write"], ask: ["Bash", "Write"], defaultMode: "plan" } }),
	"rules in settings.local.json": settings({ permissions: { deny: ["Bash", "Write"], ask: ["Bash"] } }, "settings.local.json"),
	"a mode that is disabled": settings({ permissions: { disableBypassPermissionsMode: "disable" } }),
	"an environment in which nothing works": settings({ env: { HTTPS_PROXY: "http://127.0.0.1:9", HTTP_PROXY: "http://127.0.0.1:9", NO_PROXY: "", no_proxy: "",
		ANTHROPIC_API_KEY: "other", CLAUDE_CONFIG_DIR: "/proc/none", HOME: "/proc/none", TMPDIR: "/proc/none", SHELL: "/none", CLAUDE_CODE_USE_BEDROCK: "1" } }),
	"logins, versions, models and a sandbox of its own": settings({ forceLoginMethod: "claudeai", forceLoginOrgUUID: "00000000-0000-0000-0000-000000000000",
		minimumVersion: "99.0.0", requiredMinimumVersion: "99.0.0", availableModels: ["x"], sandbox: { enabled: true, failIfUnavailable: true },
		apiKeyHelper: "exit 1", enableAllProjectMcpServers: true, enabledMcpjsonServers: ["x"], cleanupPeriodDays: 0 }),
	"settings that are no JSON, a server list that is none": "mkdir .claude; echo '{broken' >.claude/settings.json; echo '{' >.mcp.json",
	"settings of wrong types": settings({ permissions: "x", env: 7, hooks: [], model: {} }),
	"a .claude that is a file": "echo x >.claude",
	"named pipes everywhere": "mkdir -p .claude/agents .claude/commands .claude/skills/x .claude/rules; for f in settings.json settings.local.json agents/a.md commands/a.md skills/x/SKILL.md rules/a.md; do mkfifo .claude/$f; done; mkfifo CLAUDE.md CLAUDE.local.md .mcp.json",
	"devices and circles": "mkdir .claude; ln -s /dev/zero .claude/settings.json; printf '@/dev/zero\\n@./f\\n@b.md\\n' >CLAUDE.md; mkfifo f; echo '@CLAUDE.md' >b.md",
};

for (const [name, make] of Object.entries(repositories)) {
	test(name, async () => {
		// The conversation goes on in a new process, which reads the files anew.
		await sandbox.bash("pkill -9 -x claude; while pgrep -x claude >/dev/null; do sleep 0.05; done; find . -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +; git checkout -q .");
		await sandbox.bash(make);
		rig.anthropic.script([{ tools: [{ name: "Bash", input: { command: "python3 -c 'print(6 * 7, file=open(\"/tmp/made\", \"w\"))'" } },
			{ name: "Write", input: { file_path: "/workspace/written", content: "w" } }] }, { text: "fine" }]);
		const { result, lines, error } = await sandbox.execute("Go on", { deadline: 120_000 });
		assert.equal(error, undefined);
		assert.deepEqual([result.success, result.output], [true, "fine"], JSON.stringify(lines.filter(({ type }) => type === "user")).slice(0, 1500));
		assert.equal((await sandbox.bash("cat /tmp/made written; rm /tmp/made written")).output, "42\nw");
	});
}

test("every field is honoured, or refused by its name", async () => {
	const refused = async (name, input, error) => {
		const result = await sandbox.tool(name, input);
		assert.equal(result.success, false);
		assert.match(result.error, error, `${name} ${JSON.stringify(input)}`);
	};
	await refused("Bash", { command: "touch /tmp/ran", run_in_background: true }, /^run_in_background can't be had here: .*nohup/);
	await refused("Bash", { command: "touch /tmp/ran", cwd: "/" }, /^Bash has no field "cwd"\. There are: command, timeout, description$/);
	await refused("Bash", { command: "touch /tmp/ran", timeout: "5" }, /^timeout must be a number of milliseconds from 1 to 600000/);
	await refused("Bash", { command: "touch /tmp/ran", timeout: 600001 }, /^timeout must be a number of milliseconds from 1 to 600000/);
	await refused("Bash", { command: "touch /tmp/ran", description: {} }, /^description must be a string/);
	await refused("Read", { file_path: "/workspace/x", pages: "1-3" }, /^pages can't be had here: /);
	await refused("Write", { file_path: "/tmp/ran", content: "x", mode: "0755" }, /^Write has no field "mode"/);
	await refused("Edit", { file_path: "/tmp/ran", old_string: "", new_string: "x", count: 1 }, /^Edit has no field "count"/);
	await refused("Glob", { pattern: "*", limit: 1 }, /^Glob has no field "limit"\. There are: pattern, path$/);
	await refused("Grep", { pattern: "x", "-A": "many" }, /^-A must be a whole number/);
	await refused("Grep", { pattern: "x", "-v": true }, /^Grep has no field "-v"\. There are: pattern, path, glob, .*multiline/);
	const { output } = await sandbox.tool("Bash", { command: "ls /tmp/ran 2>&1; echo over", description: "Looks", run_in_background: false, timeout: 5000 });
	assert.match(output, /No such file[^]*over/);
});

test("what a mode of the operator's didn't permit is told, though the task ends well", async () => {
	const other = await startSandboxRig({ env: { SANDBOX_PERMISSION_MODE: "acceptEdits" } });
	try {
		await other.addRepo(repoKey);
		const client = await other.ready(repoKey);
		const bash = { name: "Bash", input: { command: "python3 -c 'print(1)'" } };
		other.anthropic.script([{ tools: [bash, { name: "Write", input: { file_path: "/workspace/written", content: "w" } }] }, { tools: [bash] }, { text: "fine" }]);
		const { result, complete } = await client.execute("Go on", { deadline: 120_000 });
		assert.deepEqual([result.success, complete.exitCode], [true, 0]);
		assert.equal(result.output, "fine\n\nNot permitted to it, and not done: Bash (2). The server's SANDBOX_PERMISSION_MODE is acceptEdits");
		assert.match(result.diff, /written/);
	} finally {
		await other.stop();
	}
});

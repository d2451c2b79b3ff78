// What a repository brings for Claude Code (settings, memory, servers, and things that are no files) doesn't stop a task, and what a
// task wasn't permitted to do is told. With the real Claude Code.

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
		await sandbox.bash("pkill -9 -x claude; while pgrep -x claude >/dev/null; do sleep 0.05; done; git clean -fdxq; git checkout -q .; true");
		await sandbox.bash(make);
		rig.anthropic.script([{ tools: [{ name: "Bash", input: { command: "python3 -c 'print(6 * 7, file=open(\"/tmp/made\", \"w\"))'" } },
			{ name: "Write", input: { file_path: "/workspace/written", content: "w" } }] }, { text: "fine" }]);
		const { result, lines, error } = await sandbox.execute("Go on", { deadline: 120_000 });
		assert.equal(error, undefined);
		assert.deepEqual([result.success, result.output], [true, "fine"], JSON.stringify(lines.filter(({ type }) => type === "user")).slice(0, 1500));
		assert.equal((await sandbox.bash("cat /tmp/made written; rm /tmp/made written")).output, "42\nw");
	});
}

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

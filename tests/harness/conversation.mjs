// Makes conversations as the app stores them: what people really write and what tools really print, with
// the characters that break careless servers. The same seed gives the same conversation. Pages in a browser
// import this file too.

const utf8 = new TextEncoder();

function randomOf(seed) {
	let state = seed >>> 0;
	return (below) => {
		// mulberry32
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) % below;
	};
}

const sentences = [
	"Could you look at why the build fails on the CI but not here?",
	"The function returns early when the list is empty, so the lock is never released.",
	"Bitte prüfe auch die Umlaute: äöüß – und „Anführungszeichen“.",
	"会話の途中で接続が切れると、最後のメッセージが失われます。",
	"请检查一下这个函数为什么会返回空值，然后写一个测试。",
	"Проверь, пожалуйста, почему тест падает только в пятницу.",
	"هذا النص من اليمين إلى اليسار ويجب أن يعود كما هو.",
	"Works now 🎉 thanks! 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽",
	"I renamed it to `parse_header()` and added a case for CRLF.\n\nThe table:\n\n| a | b |\n|---|---|\n| 1 | 2 |",
	'It costs $0.0034 & that is <b>fine</b>; see "docs/it\'s.md" \\ C:\\temp\\new.txt',
];

const code = [
	"```c\nstatic int next(struct cursor *c)\n{\n\tif (c->at == c->end)\n\t\treturn -1;\n\treturn (unsigned char)*c->at++;\n}\n```",
	'```python\nfor i, line in enumerate(open("log.txt", encoding="utf-8")):\n    print(f"{i:>6}\\t{line!r}")\n```',
	"```diff\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-old\n+new\n```",
];

const outputs = [
	"total 48\ndrwxr-xr-x  2 user user 4096 Jan  2 03:04 .\n-rw-r--r--  1 user user  1234 Jan  2 03:04 main.c\n",
	"binary file: \u0000\u0001\u0002ELF\u0000\u0000\u0000 and so on\u0000",
	"\u001b[1;31merror\u001b[0m: expected \u2018;\u2019 before \u2018}\u2019 token\r\n\u001b[32m 12 |\u001b[0m \treturn 0\r\n",
	"tab\there, bell \u0007, delete \u007f, line separators \u2028 \u2029, byte order mark \ufeff, noncharacter \uffff",
	"progress: 10%\rprogress: 50%\rprogress: 100%\r\n",
];

// One message of about `size` characters; i is its place.
function message(random, i, size) {
	const words = () => sentences[random(sentences.length)];
	let text = words();
	while (text.length < size) text += "\n\n" + (random(4) === 0 ? code[random(code.length)] : words());
	const at = 1767225600000 + i * 1370;
	const common = { id: `msg-${at}-${i.toString(36)}`, timestamp: at };
	switch (i % 5) {
		case 0:
			return { ...common, role: "user", content: text, ...(i % 20 === 0 && { attachments: [{ name: "Bild größe.png", size: 12345 }] }) };
		case 1:
			return {
				...common,
				role: "assistant",
				content: text,
				isIntermediate: i % 2 === 0,
				turnId: `turn-${i}`,
				usage: { input_tokens: 1000 + i, output_tokens: i, cost: i / 7, tiny: 5e-324, big: 1.7976931348623157e308 },
			};
		case 2:
			return {
				...common,
				role: "tool",
				toolName: "Bash",
				toolUseId: `toolu_${i}`,
				toolInput: { command: `grep -rn "x\\y" . | head -${i}`, timeout: null },
				content: [{ type: "tool_use", id: `toolu_${i}`, name: "Bash", input: { command: 'printf "\\0"' } }],
			};
		case 3:
			return {
				...common,
				role: "tool",
				toolUseId: `toolu_${i - 1}`,
				isError: i % 3 === 0,
				content: [{ type: "tool_result", tool_use_id: `toolu_${i - 1}`, content: outputs[random(outputs.length)] + text }],
			};
		default: {
			// The app cuts previews by UTF-16 units: half an emoji stays behind.
			const cut = `${words().slice(0, 40)} 🎉`.slice(0, -1);
			return {
				...common,
				role: "assistant",
				preview: cut,
				tail: "🎉".slice(1) + " rest",
				content: text,
				"": [],
				nested: { a: [[], {}, [null, true, [i]]] },
			};
		}
	}
}

// `count` messages of about `bytes` JSON bytes in all.
export function makeMessages(count, bytes, seed = 1) {
	const random = randomOf(seed);
	const out = [];
	let total = 0;
	for (let i = 0; i < count; i++) {
		// Sizes spread from a tenth to three times the average; the rest is made up as it goes.
		const mean = (bytes - total) / (count - i);
		const spread = [0.1, 0.3, 0.6, 1, 1, 1.2, 1.8, 3][random(8)];
		const made = message(random, i, Math.max(20, mean * spread * 0.62 - 150));
		total += utf8.encode(JSON.stringify(made)).length;
		out.push(made);
	}
	return out;
}

export function makeHeader(id, messages, more = {}) {
	return {
		id,
		name: `Why does it fail on Fridays? ${id}`,
		createdAt: 1767225600000,
		lastUsedAt: 1767225600000 + messages.length * 1370,
		isFlagged: false,
		todoState: "in-progress",
		model: "claude-opus-4",
		labels: ["bug", "größe::5"],
		preview: `${sentences[7].slice(0, 10)}🎉`.slice(0, 11),
		messageCount: messages.length,
		tokenUsage: { inputTokens: 123456, outputTokens: 7890, totalTokens: 131346, contextTokens: 0, costUsd: 1.1 },
		...more,
	};
}

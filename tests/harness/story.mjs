// story.mjs: a repository with a bug and a test that fails, and what the model does about it.

export const files = {
	"README.md": "# Sums\n",
	"CLAUDE.md": "Run the tests with `sh test.sh`.\n",
	"sum.sh": "#!/bin/sh\necho $(($1 - $2))\n",
	"test.sh": "#!/bin/sh\n[ \"$(sh sum.sh 2 3)\" = 5 ] && echo passed || { echo failed; exit 1; }\n",
	"old name.txt": "This file gets another name, and stays as it is.\nLine 2.\nLine 3.\n",
	"gone.txt": "This one goes.\n",
};

/** The steps of a task: read, see the test fail, edit, create, rename, delete, see it pass. gate: a promise before the last answer. */
export const steps = (gate) => [
	{ tools: [{ name: "Read", input: { file_path: "/workspace/sum.sh" } }] },
	{ tools: [{ name: "Bash", input: { command: "sh test.sh", description: "Run the tests" } }] },
	{ tools: [{ name: "Edit", input: { file_path: "/workspace/sum.sh", old_string: "$1 - $2", new_string: "$1 + $2" } }] },
	{ tools: [{ name: "Write", input: { file_path: "/workspace/docs/über uns.md", content: "Sums are right now. ✓\n" } }] },
	{ tools: [{ name: "Bash", input: { command: "mv 'old name.txt' new.txt; rm gone.txt; printf 'a\\0b\\377' >blob.bin; " +
		"printf 'gr\\374n\\n' >latin1.txt; ln -s new.txt link; chmod +x sum.sh" } }] },
	{ tools: [{ name: "Bash", input: { command: "sh test.sh", description: "Run the tests" } }] },
	{ text: "The subtraction is an addition now, and the test passes.", hold: gate },
];

export const answer = "The subtraction is an addition now, and the test passes.";

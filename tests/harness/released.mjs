// released.mjs: the programs of the last release (tests/upgrade/released/VERSION names its commit), built from git into
// build/released, where they stay for the next run.
//
//	const { dir, skip } = released();       // skip: why there is none, or false

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./server.mjs";

const commit = readFileSync(path.join(ROOT, "tests/upgrade/released/VERSION"), "utf8").trim();
const PROGRAMS = ["fcgi/craft-fcgi", "ws-bridge/craft-ws-bridge"];

// Without optimisation, which is quicker to build; and one at a time.
const BUILD = `set -e
exec 8>"$2/lock"
flock 8
[ ! -e "$2/built" ] || exit 0
rm -rf "$2/tree"
mkdir -p "$2/tree/build"
git archive "$1" | tar -x -C "$2/tree"
cd "$2/tree"
autoreconf -fi
cd build
../configure CFLAGS=-O0
make -j2 ${PROGRAMS.join(" ")}
touch "$2/built"`;

export function released() {
	const git = spawnSync("git", ["cat-file", "-e", `${commit}^{commit}`], { cwd: ROOT });
	if (git.status !== 0) return { skip: `this machine can't: no git clone that has the released commit ${commit.slice(0, 7)}` };
	const dir = path.join(ROOT, "build/released", commit.slice(0, 12));
	mkdirSync(dir, { recursive: true });
	const { status, stdout, stderr } = spawnSync("bash", ["-c", BUILD, "bash", commit, dir], { cwd: ROOT, encoding: "utf8", maxBuffer: 64 << 20 });
	writeFileSync(path.join(dir, "build.log"), `${stdout}${stderr}`);
	if (status !== 0) throw new Error(`the released programs could not be built:\n${stderr.slice(-3000)}`);
	return { dir: path.join(dir, "tree/build"), skip: false };
}

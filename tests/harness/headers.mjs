// headers.mjs: the headers that pages of other origins may send and read, as craft-fcgi knows them.

import { execFileSync } from "node:child_process";
import { program } from "./api_spec.mjs";

const lines = execFileSync(program("fcgi/craft-fcgi"), ["--list-headers"], { encoding: "utf8" }).trim().split("\n").map((line) => line.split("\t"));
const named = (kind) => lines.filter(([what]) => what === kind).map(([, name]) => name).sort();

export const ALLOWED = named("allow");
export const EXPOSED = named("expose");

/** The names in a header's value, sorted. */
export const names = (value) => (value ?? "").split(/, */).sort();

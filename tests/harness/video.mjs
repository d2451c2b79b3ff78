// video.mjs: makes WebM files of any size that a browser plays, without an encoder.
//
//   const frames = webps.map(vp8OfWebp);                        // from canvas.toBlob(…, "image/webp", q) in a browser
//   await writeWebm("/tmp/long.webm", frames, { size: 1 << 30 });
//
// The picture of a lossy WebP is a VP8 key frame. Each gets a cluster of its own, and grows to its share of the file by
// zeros, which its decoder never comes to and the disk need not hold. (With empty space between small frames instead,
// a player believes in a tiny bit rate and reads ahead through all of the file.)
// Format: RFC 8794 (EBML), RFC 9559 (Matroska), RFC 6386 section 9 (VP8).

import { open } from "node:fs/promises";

/** The VP8 key frame in a lossy WebP file (Buffer). */
export function vp8OfWebp(webp) {
	for (let at = 12; at + 8 <= webp.length; ) {
		const size = webp.readUInt32LE(at + 4);
		if (webp.toString("latin1", at, at + 4) === "VP8 ") return webp.subarray(at + 8, at + 8 + size);
		at += 8 + size + (size % 2);
	}
	throw new Error("no VP8 chunk: not a lossy WebP");
}

/** Writes a video of these key frames, `step` milliseconds each, of exactly `size` bytes. */
export async function writeWebm(path, frames, { size, step = 1000 }) {
	const file = await open(path, "w");
	try {
		for (const [at, bytes] of layout(frames, size, step)) await file.write(bytes, 0, bytes.length, at);
		await file.truncate(size);
	} finally {
		await file.close();
	}
}

// What is to be written where: pairs of position and Buffer. What depends on positions has a fixed length.
function layout(frames, size, step) {
	const begin = head(frames, step, size);
	const first = begin.length + cues(frames.map(() => SEGMENT_DATA), step).length;
	const share = Math.floor((size - first) / frames.length);
	const positions = frames.map((_, n) => first + n * share);
	const clusters = frames.map((frame, n) => {
		const end = positions[n + 1] ?? size;
		return [positions[n], Buffer.concat([clusterHead(n * step, end - positions[n]), frame])];
	});
	if (clusters.some(([, bytes]) => bytes.length > share)) throw new Error(`${size} bytes are too few for these frames`);
	return [[0, begin], [begin.length, cues(positions, step)], ...clusters];
}

// ---- EBML: an id, a length of eight bytes, the data ----

function elementHead(id, length) {
	const out = Buffer.alloc(8);
	out.writeBigUInt64BE((1n << 56n) | BigInt(length));
	return Buffer.concat([Buffer.from(id, "hex"), out]);
}

function element(id, ...parts) {
	const data = Buffer.concat(parts);
	return Buffer.concat([elementHead(id, data.length), data]);
}

function uint(id, value) {
	const out = Buffer.alloc(8);
	out.writeBigUInt64BE(BigInt(value));
	return element(id, out);
}

function double(id, value) {
	const out = Buffer.alloc(8);
	out.writeDoubleBE(value);
	return element(id, out);
}

const text = (id, value) => element(id, Buffer.from(value));

// ---- Matroska ----

const EBML = element(
	"1a45dfa3",
	uint("4286", 1), // EBMLVersion
	uint("42f7", 1), // EBMLReadVersion
	uint("42f2", 4), // EBMLMaxIDLength
	uint("42f3", 8), // EBMLMaxSizeLength
	text("4282", "webm"), // DocType
	uint("4287", 2), // DocTypeVersion
	uint("4285", 2), // DocTypeReadVersion
);
// Positions in SeekHead and Cues count from the first byte of the Segment's data.
const SEGMENT_DATA = EBML.length + elementHead("18538067", 0).length;

// All before the Cues.
function head(frames, step, size) {
	const info = element(
		"1549a966",
		uint("2ad7b1", 1_000_000), // TimestampScale: milliseconds
		double("4489", frames.length * step), // Duration
		text("4d80", "craft-agent-cloud tests"), // MuxingApp
		text("5741", "craft-agent-cloud tests"), // WritingApp
	);
	const tracks = element("1654ae6b", track(frames[0], step));
	const seekHead = (at) =>
		element(
			"114d9b74",
			seek("1549a966", at),
			seek("1654ae6b", at + info.length),
			seek("1c53bb6b", at + info.length + tracks.length),
		);
	const seeks = seekHead(seekHead(0).length);
	return Buffer.concat([EBML, elementHead("18538067", size - SEGMENT_DATA), seeks, info, tracks]);
}

const seek = (id, position) => element("4dbb", element("53ab", Buffer.from(id, "hex")), uint("53ac", position));

function track(frame, step) {
	return element(
		"ae",
		uint("d7", 1), // TrackNumber
		uint("73c5", 1), // TrackUID
		uint("83", 1), // TrackType: video
		uint("23e383", step * 1_000_000), // DefaultDuration, in nanoseconds
		text("86", "V_VP8"), // CodecID
		element("e0", uint("b0", frame.readUInt16LE(6) & 0x3fff), uint("ba", frame.readUInt16LE(8) & 0x3fff)),
	);
}

// A cluster with one block takes `space` bytes in all; the frame's data follow its head.
function clusterHead(time, space) {
	// Track 1, no offset from the cluster's time, a key frame.
	const block = Buffer.from([0x81, 0, 0, 0x80]);
	const timestamp = uint("e7", time);
	const rest = space - elementHead("1f43b675", 0).length;
	const data = rest - timestamp.length - elementHead("a3", 0).length;
	return Buffer.concat([elementHead("1f43b675", rest), timestamp, elementHead("a3", data), block]);
}

function cues(positions, step) {
	const points = positions.map((position, n) =>
		element("bb", uint("b3", n * step), element("b7", uint("f7", 1), uint("f1", position - SEGMENT_DATA))),
	);
	return element("1c53bb6b", ...points);
}

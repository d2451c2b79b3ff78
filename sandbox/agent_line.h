/* agent_line.h: the stdout of Claude Code: cut into lines of bounded length, each looked at. Pure. All that comes is
 * untrusted: anything in the box may write there. */
#ifndef CRAFT_AGENT_LINE_H
#define CRAFT_AGENT_LINE_H

#include "lib/buf.h"

/* Longest line that is kept whole: as a part of a message it may become twice as long, and must fit into WS_MAX_QUEUE.
 */
#define AGENT_LINE_MAX ((size_t)16 << 20)
/* Of a longer one only the beginning says what it is, if that is a message that nobody but the client reads. */
#define AGENT_LINE_LOOKED_AT ((size_t)256 << 10)
/* What is kept of the beginning of a longer one. */
#define AGENT_LINE_HEAD ((size_t)4096)

/* A splitter of lines. All zero is ready, after max is set. */
struct agent_lines {
	size_t max;	 /* AGENT_LINE_MAX; tests take less */
	struct buf rest; /* the line whose end hasn't come */
	size_t dropped;	 /* bytes of it that aren't in rest, when it is too long */
};

/* A line without its newline. dropped: of how many bytes more than there are here; 0: it is whole. */
typedef void agent_line_fn(void *user, struct slice line, size_t dropped);

/* Takes the next bytes and gives each line that ends in them to on_line. Empty lines are left out. */
void agent_lines_feed(struct agent_lines *lines, struct slice data, agent_line_fn *on_line, void *user);
/* Gives what came after the last newline to on_line. */
void agent_lines_end(struct agent_lines *lines, agent_line_fn *on_line, void *user);
void agent_lines_free(struct agent_lines *lines);

enum agent_line_kind {
	AGENT_LINE_TEXT,	     /* no JSON object */
	AGENT_LINE_MESSAGE,	     /* any other message: system, assistant, user ... */
	AGENT_LINE_RESULT,	     /* a turn has ended */
	AGENT_LINE_CONTROL_REQUEST,  /* it asks us something */
	AGENT_LINE_CONTROL_RESPONSE, /* it answers, or takes back, what was asked */
};

/* Slices point into the line. */
struct agent_line {
	enum agent_line_kind kind;
	struct slice request_id; /* of a control request: JSON; empty: none */
	/* Of a result: */
	bool success;	      /* is_error is false */
	bool own;	      /* of a turn that it began by itself (a command in the background has ended) */
	struct slice output;  /* the final text or the first error, a JSON string of valid UTF-8; empty: none */
	struct slice denials; /* what it wasn't permitted to do: a JSON array; empty: nothing */
};

/* head: the line, or its beginning when bytes of it were dropped; then output is empty. */
void agent_line_parse(struct slice head, size_t dropped, struct agent_line *out);

/* Appends the names of the tools that denials speak of, with numbers: "Bash (3), Write". */
void agent_line_denied(struct buf *out, struct slice denials);
/* Appends the message that stands for a line of so many bytes that was too long. */
void agent_line_note(struct buf *out, size_t length);
/* Appends the line (with its newline) that begins a turn; text: UTF-8. */
void agent_line_prompt(struct buf *out, struct slice text);
/* Appends the line that asks to end the turn. */
void agent_line_interrupt(struct buf *out, unsigned number);
/* Appends the line that refuses a control request. request_id: JSON. */
void agent_line_refusal(struct buf *out, struct slice request_id);

#endif

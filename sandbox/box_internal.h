/* box_internal.h: what box.c (the box and its control socket) and box_run.c (programs in it) share. */
#ifndef CRAFT_BOX_INTERNAL_H
#define CRAFT_BOX_INTERNAL_H

#include "box.h"
#include "box_protocol.h"
#include "process.h"

#define BOX_CHUNK 65536

/* A message on its way to craft-box. */
struct box_packet {
	struct box_packet *next;
	struct buf bytes;
	int fds[3]; /* ours; closed when it is sent */
	size_t fd_count;
};

struct box {
	uv_loop_t *loop;
	struct box_options options;
	struct process *process; /* NULL once it ended */
	uv_poll_t poll;
	int control;
	bool ready, killed, gone, poll_closed;
	struct box_packet *first, **last; /* those not sent yet */
	struct box_run *runs[BOX_MAX_RUNS];
	size_t count;
	uint32_t last_id;
	int exit_code;
	struct buf errors;
	char chunk[BOX_CHUNK]; /* what was just read from a program */
};

/* Takes bytes and descriptors over and sends them when there is room. */
void box_send(struct box *box, struct buf *bytes, const int *fds, size_t fd_count);
/* craft-box said that it ended. False: no such program runs. */
bool box_run_exited(struct box *box, uint32_t id, int exit_code);
/* The box is gone, so all programs have ended. */
void box_runs_gone(struct box *box);
/* A program's end was told, and it is no more among runs. */
void box_run_left(struct box *box);

#endif

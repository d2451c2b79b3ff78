/* sender.h: the process that sends what slow readers haven't taken yet, so that no worker waits for them. */
#ifndef CRAFT_FCGI_SENDER_H
#define CRAFT_FCGI_SENDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "spool.h"

/* Times in ms of clock_ms(). */
struct sender {
	struct spool *spool; /* NULL: there never is one */
	pid_t pid;	     /* 0: none runs */
	int64_t start_at;    /* when it may be, or was, started */
	int64_t kill_at;     /* 0: not told to leave */
};

void sender_init(struct sender *s, struct spool *spool, int64_t now);
/* Starts it when it is due, kills it when it was told to leave and overstays. */
void sender_tend(struct sender *s, int64_t now);
/* When sender_tend() has something to do; INT64_MAX: never. */
int64_t sender_due(const struct sender *s);
/* A child has ended: takes note if it was the sender. */
void sender_ended(struct sender *s, pid_t pid, int64_t now);
/* No worker is left: it ends when all that it has is sent, in `patience` ms at most. */
void sender_leave(struct sender *s, int64_t now, int64_t patience);

#endif

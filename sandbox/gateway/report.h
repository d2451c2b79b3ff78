/* report.h: tells the daemon what was decided; equal decisions within some seconds are told once with their number, and
 * a flood of different ones is cut. Safe to call from any thread. */
#ifndef CRAFT_GATEWAY_REPORT_H
#define CRAFT_GATEWAY_REPORT_H

#include "lib/buf.h"

struct report;

/* fd: the control socket; stays the caller's. */
struct report *report_new(int fd);
void report_free(struct report *r);

/* kind: egress, api or git. host and reason are cut at 300 bytes, and what isn't printable in them becomes '?'. */
void report_decision(struct report *r, bool allowed, const char *kind, struct slice host, struct slice reason);

/* Sends what waits for its time. Call it every second or so. */
void report_flush(struct report *r);

#endif

/* probe.h: the self-check at the daemon's start: a real box, made as every other one is, in which craft-box tries to
 * get out and to use too much. What held is what the daemon says about itself. */
#ifndef CRAFT_PROBE_H
#define CRAFT_PROBE_H

#include "lib/conf.h"

/* The names of all protections, NULL at the end: those that SANDBOX_REQUIRE may hold. */
extern const char *const probe_names[];

/* Checks the names in SANDBOX_REQUIRE, runs the box and compares. Call it once, before the event loop runs and while no
 * sandbox does, after cgroup_probe(). Blocks for less than a second, or half a minute at most. *protection gets the
 * names of what is in force, with spaces between them. False: a box can't be started, or something required isn't in
 * force; *error says what and why. */
bool probe_run(const struct conf *conf, const char *cgroup_parent, int seccomp_fd, struct buf *protection,
	       struct buf *error);

/* For tests: is every word of require a name of a protection, or "none" alone? */
bool probe_check_names(const char *require, struct buf *error);

#endif

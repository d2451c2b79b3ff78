/* bridge.h: what the parts of one bridge process share. Owned by main(); every part gets it when it is made. */
#ifndef CRAFT_BRIDGE_H
#define CRAFT_BRIDGE_H

#include <sys/queue.h>
#include <uv.h>

#include "lib/conf.h"

struct conn;
struct counts;
struct courier;
struct feed;
struct hub;
struct keys;
struct lane;
struct packer;
struct bounds;
struct session_cache;

TAILQ_HEAD(conn_list, conn);

#define LANE_COUNT 3

struct bridge {
	uv_loop_t *loop;
	struct conf conf;
	char id[17]; /* random hex: tells this process's changes from others' */
	struct hub *hub;
	struct keys *keys;
	struct feed *feed;
	struct lane *lanes[LANE_COUNT]; /* the first one for small changes, the others for big saves */
	struct courier *small_courier, *big_courier;
	struct session_cache *cache;
	struct packer *packer;
	struct conn_list conns; /* all that have a socket */
	struct conn_list dirty; /* with bytes queued since the last flush */
	struct conn_list packs; /* whose next message is being compressed */
	struct conn_list turns; /* with bytes received that wait for their turn */
	uv_timer_t turn_due;	/* while there are some */
	uint64_t turn_at;	/* ns: not before that */
	struct bounds *bounds;
	struct counts *counts;
	size_t conn_count;
	size_t client_count; /* of those: let in */
	uint64_t next_serial;
	bool draining;
};

#endif

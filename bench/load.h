/* load.h: a run of the load program: its options, its clients, and the table of modes. */
#ifndef CRAFT_BENCH_LOAD_H
#define CRAFT_BENCH_LOAD_H

#include "stats.h"
#include "ws_client.h"

#define MAX_DEPTH 256
#define MAX_USERS 20000u

struct options {
	const struct mode *mode;
	const char *connect, *key, *prefix, *slug; /* the path asked for is prefix, slug and a number */
	uint32_t clients, workspaces, depth, listeners, size, messages;
	uint64_t count; /* measured operations at most */
	double seconds, warmup;
};

/* One connection. A sender has a message that it sends again and again, changed a little each time. */
struct user {
	struct ws_client ws;
	const struct options *options;
	uint32_t index;
	bool sends, wants_write;
	struct ws_message message;
	size_t id_place, value_place, request_place; /* of the numbers in it; 0: none */
	size_t tail_place;			     /* append: where the array's closing bracket stands */
	uint32_t started, answered, delivered;
	uint64_t sent_at[MAX_DEPTH]; /* µs; of operation n at n % MAX_DEPTH */
};

struct mode {
	const char *name, *unit, *help;
	/* Defaults; 0 listeners for those where every client sends. */
	struct options defaults;
	/* Builds what is sent once before the measurement, with an answer waited for; NULL: nothing. */
	void (*build_setup)(struct user *u);
	/* Builds the message that is sent over and over; NULL: the clients stay silent until the program's input ends.
	 */
	void (*build)(struct user *u);
	/* Makes operation n of it. */
	void (*next)(struct user *u, uint32_t n);
};

/* Ends the program when they make no sense, and after --help and --version. */
void parse_options(struct options *o, int argc, char **argv);

extern const struct mode modes[];
extern const size_t mode_count;

#endif

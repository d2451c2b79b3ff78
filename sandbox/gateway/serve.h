/* serve.h: accepts the connections of one socket, a thread for each. */
#ifndef CRAFT_GATEWAY_SERVE_H
#define CRAFT_GATEWAY_SERVE_H

#include <pthread.h>

#include "conn.h"
#include "gate.h"

#define SERVE_MAX 128 /* connections of one socket; more are answered with 503 */

struct server {
	struct gate *gate;
	void (*serve)(struct gate *gate, struct conn *conn);
	int fd;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int connections[SERVE_MAX]; /* -1: free */
	size_t count;
	bool stopping;
};

/* Begins to accept on fd, which listens, in threads of its own. server and gate must stay. False: no thread. */
bool server_start(struct server *server, struct gate *gate, int fd, void (*serve)(struct gate *, struct conn *));
/* Ends all connections and waits for that until the deadline (clock_ms()). False: some thread is still at work. */
bool server_stop(struct server *server, int64_t deadline);

#endif

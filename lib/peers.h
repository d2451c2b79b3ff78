/* peers.h: what is remembered of client addresses, so that each can be held to limits: a table of constant size.
 *
 * It may lie in memory that processes share; locking is the user's. Finding an address looks at PEERS_WAYS places.
 * Where all of them are taken, the address that was quiet for longest is forgotten, unless it has connections. So a
 * flood of addresses makes limits forget, and costs no memory; and an address that finds no place is held to none. */
#ifndef CRAFT_PEERS_H
#define CRAFT_PEERS_H

#include "bucket.h"
#include "buf.h"
#include "table_hash.h"

#define PEERS_WAYS 8
#define PEERS_SETS 2048

struct peer {
	uint64_t key;  /* see peer_key() */
	uint64_t seen; /* ms; 0: the place is free */
	struct bucket connects, failures, questions;
	uint64_t bytes;	      /* the user's: what its connections hold */
	uint32_t connections; /* the user's; not 0: it isn't forgotten */
};

struct peers {
	struct table_key key; /* of all processes that share it; keeps addresses from being chosen for one set */
	struct peer peers[PEERS_SETS][PEERS_WAYS];
};

/* The table has to be all zero. */
void peers_init(struct peers *t);

/* A number for an address in text form: an IPv4 address, or the first 64 bits of an IPv6 address, which are one
 * customer's. False: it is none (a unix socket, say). */
bool peer_key(struct slice text, uint64_t *key);

/* The address's entry, a new one if need be. NULL: all places that it could have belong to addresses with connections.
 */
struct peer *peers_find(struct peers *t, uint64_t key, uint64_t now);

#endif

/* tunnel.h: bytes from one connection to another. */
#ifndef CRAFT_GATEWAY_TUNNEL_H
#define CRAFT_GATEWAY_TUNNEL_H

#include "conn.h"

/* Carries bytes both ways, what the client has sent already first, until both sides have ended or nothing came from
 * either for `idle` ms. An end of one side is handed on. both false: only from the server to the client. */
void tunnel_run(struct conn *client, int server, bool both, int64_t idle);

#endif

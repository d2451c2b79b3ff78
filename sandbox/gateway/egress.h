/* egress.h: egress.sock: an HTTP proxy for the hosts of the allow-list. */
#ifndef CRAFT_GATEWAY_EGRESS_H
#define CRAFT_GATEWAY_EGRESS_H

#include "conn.h"
#include "gate.h"

/* Serves one request, CONNECT or one in absolute form (RFC 9112 section 3.2), and ends. */
void egress_serve(struct gate *gate, struct conn *conn);

#endif

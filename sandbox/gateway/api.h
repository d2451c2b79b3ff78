/* api.h: api.sock: the model's API, with the real key put in. */
#ifndef CRAFT_GATEWAY_API_H
#define CRAFT_GATEWAY_API_H

#include "conn.h"
#include "gate.h"

/* Serves a connection until it ends. */
void api_serve(struct gate *gate, struct conn *conn);

#endif

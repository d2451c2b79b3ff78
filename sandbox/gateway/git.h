/* git.h: git.sock: reading the sandbox's own repository, with its token put in, and those of its submodules. */
#ifndef CRAFT_GATEWAY_GIT_H
#define CRAFT_GATEWAY_GIT_H

#include "conn.h"
#include "gate.h"

/* Serves a connection until it ends. */
void git_serve(struct gate *gate, struct conn *conn);

#endif

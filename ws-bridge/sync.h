/* sync.h: text messages of sync clients: {"type":T,"data":D,"requestId":R}. */
#ifndef CRAFT_SYNC_H
#define CRAFT_SYNC_H

#include "frame.h"

struct conn;

#define SYNC_PING "ping" /* the type of a message without data, answered with {"type":"pong"} */

/* A whole text message came: answers it, or puts the change on its way. */
void sync_message(struct conn *conn, const struct frame_event *ev);

#endif

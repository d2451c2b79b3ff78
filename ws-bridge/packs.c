/* packs.c: who waits for a message that is being compressed. */
#include "packs.h"

void packs_wait(struct conn *conn)
{
	if (!conn->awaits_pack)
		TAILQ_INSERT_TAIL(&conn->bridge->packs, conn, pack_link);
	conn->awaits_pack = true;
}

void packs_leave(struct conn *conn)
{
	if (conn->awaits_pack)
		TAILQ_REMOVE(&conn->bridge->packs, conn, pack_link);
	conn->awaits_pack = false;
}

void packs_wake(struct bridge *bridge)
{
	struct conn *conn;
	while ((conn = TAILQ_FIRST(&bridge->packs))) {
		packs_leave(conn);
		conn_mark_dirty(conn);
	}
}

/* turns.c: connections whose bytes wait for their turn, in the order in which they came. */
#include "turns.h"

#include "hub.h"

#define TURN_NS 300000 /* for all that wait for their turn, in one turn of the loop */
#define TURN_REST 2    /* times as long as they took until the next one: so they take a third of a CPU at most */

static void on_turn_due(uv_timer_t *timer)
{
	(void)timer; /* it wakes the loop up */
}

static void wake_for_turns(struct bridge *bridge)
{
	uint64_t now = uv_hrtime();
	uint64_t ms = bridge->turn_at > now ? (bridge->turn_at - now) / 1000000 + 1 : 0;
	if (!uv_is_active((uv_handle_t *)&bridge->turn_due))
		(void)uv_timer_start(&bridge->turn_due, on_turn_due, ms, 0);
}

void turns_wait(struct conn *conn)
{
	struct bridge *bridge = conn->bridge;
	if (conn->state != CONN_OPEN)
		return;
	conn_pause(conn, PAUSE_TURN);
	if (conn->has_turn)
		return;
	conn->has_turn = true;
	TAILQ_INSERT_TAIL(&bridge->turns, conn, turn_link);
	wake_for_turns(bridge);
}

void turns_run(struct bridge *bridge)
{
	struct conn *conn;
	if (TAILQ_EMPTY(&bridge->turns))
		return;
	uint64_t begin = uv_hrtime(), now = begin;
	while ((conn = TAILQ_FIRST(&bridge->turns)) && now >= bridge->turn_at && now - begin < TURN_NS) {
		TAILQ_REMOVE(&bridge->turns, conn, turn_link);
		conn->has_turn = false;
		conn->rests = false;
		hub_drained(conn);
		conn_resume(conn, PAUSE_TURN);
		now = uv_hrtime();
	}
	if (now >= bridge->turn_at)
		bridge->turn_at = now + (now - begin) * TURN_REST;
	if (!TAILQ_EMPTY(&bridge->turns))
		wake_for_turns(bridge);
}

void turns_leave(struct conn *conn)
{
	if (conn->has_turn)
		TAILQ_REMOVE(&conn->bridge->turns, conn, turn_link);
	conn->has_turn = false;
}

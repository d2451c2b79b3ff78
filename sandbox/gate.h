/* gate.h: who may go on now: gates with a name and so many places, in the order of asking. A gate exists as long as
 * somebody is in it or waits. For one thread; nothing blocks. */
#ifndef CRAFT_GATE_H
#define CRAFT_GATE_H

#include <stdbool.h>
#include <stddef.h>

/* As many places as a gate may have: who takes all of them is alone. */
#define GATE_ALL 1000000u

struct gate;

/* One who has passed or waits. All zero: neither. Stays where it is until gate_leave(). */
struct gate_pass {
	struct gate *gate;
	struct gate_pass *next; /* of those who wait */
	unsigned places;
	bool inside;
	void (*on_open)(void *user);
	void *user;
};

/* Takes places in the gate of that name, which has capacity places (the same for all who use the name). True: inside.
 * False: waits, and on_open(user) comes when it is inside; it is called from another's gate_leave() or gate_keep(), so
 * it should only arrange for the work to be done later. */
bool gate_enter(struct gate_pass *pass, const char *name, unsigned capacity, unsigned places,
		void (*on_open)(void *user), void *user);
/* Gives all places but these back; for one inside. */
void gate_keep(struct gate_pass *pass, unsigned places);
/* Gives all back, or waits no longer; nothing for one who does neither. */
void gate_leave(struct gate_pass *pass);

#endif

/* gate.c: places for work that must not be done by too many at once. */
#include "gate.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

struct gate {
	struct gate *next;
	char *name;
	unsigned capacity, used;
	struct gate_pass *first, **last; /* who waits */
};

static struct gate *gates;

static struct gate *gate_of(const char *name, unsigned capacity)
{
	for (struct gate *g = gates; g; g = g->next)
		if (strcmp(g->name, name) == 0)
			return g;
	struct gate *g = xcalloc(1, sizeof(*g));
	*g = (struct gate){ .next = gates, .name = xstrdup(name), .capacity = capacity };
	g->last = &g->first;
	gates = g;
	return g;
}

static void remove_empty(struct gate *g)
{
	if (g->used || g->first)
		return;
	struct gate **link = &gates;
	while (*link != g)
		link = &(*link)->next;
	*link = g->next;
	free(g->name);
	free(g);
}

static void let_in(struct gate *g)
{
	while (g->first && g->first->places <= g->capacity - g->used) {
		struct gate_pass *pass = g->first;
		g->first = pass->next;
		if (!g->first)
			g->last = &g->first;
		g->used += pass->places;
		pass->inside = true;
		pass->on_open(pass->user);
	}
}

bool gate_enter(struct gate_pass *pass, const char *name, unsigned capacity, unsigned places,
		void (*on_open)(void *user), void *user)
{
	struct gate *g = gate_of(name, capacity);
	*pass = (struct gate_pass){ .gate = g, .places = places, .on_open = on_open, .user = user };
	if (!g->first && places <= g->capacity - g->used) {
		g->used += places;
		pass->inside = true;
		return true;
	}
	*g->last = pass;
	g->last = &pass->next;
	return false;
}

void gate_keep(struct gate_pass *pass, unsigned places)
{
	pass->gate->used -= pass->places - places;
	pass->places = places;
	let_in(pass->gate);
}

static void stop_waiting(struct gate *g, struct gate_pass *pass)
{
	struct gate_pass **link = &g->first;
	while (*link != pass)
		link = &(*link)->next;
	*link = pass->next;
	if (!*link)
		g->last = link;
}

void gate_leave(struct gate_pass *pass)
{
	struct gate *g = pass->gate;
	if (!g)
		return;
	if (pass->inside)
		g->used -= pass->places;
	else
		stop_waiting(g, pass);
	*pass = (struct gate_pass){ 0 };
	let_in(g);
	remove_empty(g);
}

/* allow.h: which hosts and ports a sandbox may reach. Pure; default is no. */
#ifndef CRAFT_GATEWAY_ALLOW_H
#define CRAFT_GATEWAY_ALLOW_H

#include "address.h"

#define HOST_MAX 253

/* A host as it stands in a request: a name in lower case without a dot at its end, or an address. */
struct host {
	char name[HOST_MAX + 1]; /* an address in its usual notation */
	bool literal;
	struct address address; /* of a literal */
};

/* Reads a host, IPv6 in brackets, any notation of IPv4. False: no host. */
bool host_parse(struct slice text, struct host *out);
/* Reads host:port; standard: the port where none is named, 0: one must be. */
bool host_port_parse(struct slice text, unsigned standard, struct host *out, unsigned *port);

struct allow_entry;
/* All zero: nothing is allowed. */
struct allow_list {
	struct allow_entry *entries;
	size_t count;
};

/* Adds entries, separated by blanks or commas:
 *   host                 ports 80 and 443
 *   host:port            that port; the host may have a private address
 *   *.example.org[:port] every name that ends so, not example.org itself
 *   10.1.2.3[:port], [fd00::1][:port]   an address: what resolves to it is allowed if its name is
 * False: *error says which one can't be understood. */
bool allow_list_add(struct allow_list *list, struct slice text, struct buf *error);
/* Reserves the host of an http or https URL: it has a socket of its own, which looks at what is asked of it. From here
 * it is reached only if an entry names it (its name or its address; a suffix doesn't). */
bool allow_list_reserve_url(struct allow_list *list, const char *url, struct buf *error);
/* Appends the reserved hosts that entries name, with a blank between them. */
void allow_list_reserved_named(const struct allow_list *list, struct buf *out);
void allow_list_free(struct allow_list *list);

enum allow_name {
	ALLOW_NO,
	ALLOW_RESERVED, /* no: it is reserved, whatever the port */
	ALLOW_PUBLIC, /* when it resolves to a public address */
	ALLOW_PRIVATE /* a private one will do, too */
};

enum allow_name allow_name(const struct allow_list *list, const struct host *host, unsigned port);
/* May a connection to this address be made, for a host of which allow_name() said this? */
bool allow_address(const struct allow_list *list, enum allow_name name, const struct address *address, unsigned port);

#endif

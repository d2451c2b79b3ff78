/* address.h: IP addresses as the allow-list sees them: read as getaddrinfo() reads numbers, and sorted by what they
 * lead to. Pure. */
#ifndef CRAFT_GATEWAY_ADDRESS_H
#define CRAFT_GATEWAY_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/buf.h"

/* IPv6, or IPv4 in its mapped form ::ffff:a.b.c.d, so that both notations of one address are equal. */
struct address {
	unsigned char bytes[16];
};

enum address_kind {
	ADDRESS_PUBLIC,
	ADDRESS_PRIVATE, /* this host, or its networks */
	ADDRESS_SPECIAL, /* link-local, metadata services, reserved: nothing that a name should lead to */
	ADDRESS_NOWHERE	 /* unspecified, multicast, broadcast: never a server */
};

/* Reads a number as getaddrinfo() does, so 127.1, 0x7f.1 and 2130706433 too; IPv6 without brackets. False: it is a name
 * (or an IPv6 address with a zone). */
bool address_parse(const char *text, struct address *out);
/* False: another family. */
bool address_of(const struct sockaddr *name, struct address *out);
bool address_equal(const struct address *a, const struct address *b);
/* Forms that hold an IPv4 address (mapped, compatible, 6to4, NAT64) are what that one is. */
enum address_kind address_kind(const struct address *a);
/* Writes it, IPv4 as four numbers. */
void address_text(const struct address *a, char text[INET6_ADDRSTRLEN]);

#endif

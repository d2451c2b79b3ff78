/* test_gateway_dial.c: connections of the egress proxy, with a name server and a network of the test's own: what is
 * connected to is what was checked, and names are asked for once. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "sandbox/gateway/dial.h"

/* The linker leads calls of getaddrinfo() and connect() here. */
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out);
void __wrap_freeaddrinfo(struct addrinfo *list);
int __wrap_connect(int fd, const struct sockaddr *name, socklen_t length);

/* What the name server says, one list of addresses after the other. */
static const char *const *answers[4];
static size_t asked;
static char connected[4][64];
static size_t connections;
static const char *dead; /* an address that doesn't answer */

static struct addrinfo *make_info(const char *address, unsigned port, struct addrinfo *next)
{
	struct addrinfo *info = xcalloc(1, sizeof(*info));
	struct sockaddr_storage *name = xcalloc(1, sizeof(*name));
	bool v6 = strchr(address, ':') != NULL;
	if (v6) {
		struct sockaddr_in6 *v = (struct sockaddr_in6 *)name;
		*v = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
		assert_int_equal(inet_pton(AF_INET6, address, &v->sin6_addr), 1);
	} else {
		struct sockaddr_in *v = (struct sockaddr_in *)name;
		*v = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
		assert_int_equal(inet_pton(AF_INET, address, &v->sin_addr), 1);
	}
	*info = (struct addrinfo){ .ai_family = v6 ? AF_INET6 : AF_INET,
				   .ai_addr = (struct sockaddr *)name,
				   .ai_addrlen = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in),
				   .ai_next = next };
	return info;
}

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	size_t count = 0;
	(void)name;
	(void)hints;
	assert_true(asked < sizeof(answers) / sizeof(*answers));
	const char *const *list = answers[asked++];
	if (!list)
		return EAI_NONAME;
	while (list[count])
		count++;
	for (*out = NULL; count > 0; count--)
		*out = make_info(list[count - 1], (unsigned)strtoul(service, NULL, 10), *out);
	return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *list)
{
	while (list) {
		struct addrinfo *next = list->ai_next;
		free(list->ai_addr);
		free(list);
		list = next;
	}
}

int __wrap_connect(int fd, const struct sockaddr *name, socklen_t length)
{
	char host[INET6_ADDRSTRLEN], port[8];
	(void)fd;
	assert_int_equal(
		getnameinfo(name, length, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV), 0);
	assert_true(connections < 4);
	(void)snprintf(connected[connections++], sizeof(*connected), "%s %s", host, port);
	if (!dead || strcmp(host, dead) != 0)
		return 0;
	errno = ECONNREFUSED;
	return -1;
}

static struct allow_list list;

static int reset(void **state)
{
	autobuf error = { 0 };
	(void)state;
	asked = connections = 0;
	dead = NULL;
	memset(answers, 0, sizeof(answers));
	allow_list_free(&list);
	assert_true(allow_list_add(
		&list, SLICE_LIT("example.org *.wild.org exact.org:443 metadata.org:80 169.254.169.254:81"), &error));
	return 0;
}

static int clear(void **state)
{
	(void)state;
	allow_list_free(&list);
	return 0;
}

static enum dial_result call(const char *target, struct buf *about)
{
	struct host host;
	unsigned port;
	int fd = -1;
	assert_true(host_port_parse(slice_of(target), 0, &host, &port));
	enum dial_result result = dial(&list, &host, port, &fd, about);
	assert_int_equal(fd >= 0, result == DIAL_OK);
	if (fd >= 0)
		(void)close(fd);
	return result;
}

#define SAYS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void unlisted_names_are_not_asked_for(void **state)
{
	autobuf about = { 0 };
	(void)state;
	assert_int_equal(call("evil.org:443", &about), DIAL_NOT_LISTED);
	assert_int_equal(asked, 0);
}

static void a_name_is_asked_for_once(void **state)
{
	autobuf about = { 0 };
	(void)state;
	/* The second answer is what a rebinding name server would say then. */
	answers[0] = SAYS("93.184.216.34");
	answers[1] = SAYS("127.0.0.1");
	assert_int_equal(call("example.org:443", &about), DIAL_OK);
	assert_int_equal(asked, 1);
	assert_int_equal(connections, 1);
	assert_string_equal(connected[0], "93.184.216.34 443");
	assert_int_equal(call("example.org:443", &about), DIAL_FORBIDDEN);
	assert_string_equal(buf_cstr(&about), "127.0.0.1");
	assert_int_equal(connections, 1);
}

static void forbidden_addresses_are_passed_over(void **state)
{
	autobuf about = { 0 };
	(void)state;
	answers[0] = SAYS("169.254.169.254", "::1", "10.0.0.1", "::ffff:127.0.0.1", "2606:4700::1");
	assert_int_equal(call("a.wild.org:80", &about), DIAL_OK);
	assert_int_equal(connections, 1);
	assert_string_equal(connected[0], "2606:4700::1 80");
	answers[1] = SAYS("fd00:ec2::254", "0.0.0.0", "192.168.1.1");
	assert_int_equal(call("a.wild.org:80", &about), DIAL_FORBIDDEN);
	assert_string_equal(buf_cstr(&about), "fd00:ec2::254");
	assert_int_equal(connections, 1);
}

static void a_listed_port_allows_private_addresses_but_no_metadata(void **state)
{
	autobuf about = { 0 };
	(void)state;
	answers[0] = SAYS("10.0.0.1");
	assert_int_equal(call("exact.org:443", &about), DIAL_OK);
	answers[1] = answers[2] = SAYS("169.254.169.254");
	assert_int_equal(call("metadata.org:80", &about), DIAL_FORBIDDEN);
	assert_int_equal(call("exact.org:443", &about), DIAL_FORBIDDEN);
	answers[3] = SAYS("169.254.169.254");
	assert_int_equal(call("169.254.169.254:81", &about), DIAL_OK);
}

static void the_next_address_is_tried(void **state)
{
	autobuf about = { 0 };
	(void)state;
	dead = "1.1.1.1";
	answers[0] = SAYS("1.1.1.1", "127.0.0.1", "8.8.8.8");
	assert_int_equal(call("example.org:80", &about), DIAL_OK);
	assert_int_equal(connections, 2);
	assert_string_equal(connected[1], "8.8.8.8 80");
	answers[1] = SAYS("127.0.0.1", "1.1.1.1", "10.0.0.1");
	assert_int_equal(call("example.org:80", &about), DIAL_UNREACHABLE);
	assert_string_equal(buf_cstr(&about), "Connection refused");
	assert_int_equal(call("example.org:80", &about), DIAL_UNRESOLVED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(unlisted_names_are_not_asked_for, reset),
		cmocka_unit_test_setup(a_name_is_asked_for_once, reset),
		cmocka_unit_test_setup(forbidden_addresses_are_passed_over, reset),
		cmocka_unit_test_setup(a_listed_port_allows_private_addresses_but_no_metadata, reset),
		cmocka_unit_test_setup(the_next_address_is_tried, reset),
	};
	return cmocka_run_group_tests(tests, NULL, clear);
}

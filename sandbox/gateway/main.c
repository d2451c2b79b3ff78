/* main.c: craft-sandbox-gateway: the way out of one sandbox. It holds the secrets that the sandbox must not have and
 * puts them into the requests that deserve them. craft-sandboxd starts it with descriptor 3, a packet socket on which
 * the configuration and the keys come and decisions go back, and 4, 5, 6, the listening sockets egress, api and git. It
 * ends when 3 does. */
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"

#include "egress.h"
#include "git.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/secrecy.h"
#include "sandbox/gateway_wire.h"
#include "serve.h"

enum { CONTROL = 3, EGRESS, API, GIT };

#define SETUP_MS 30000
#define STOP_MS 2000

/* A packet may hold a secret: it is wiped before the next one. */
static char packet[GATEWAY_WIRE_MAX];

/* ---- the control socket ---- */

/* The next packet; empty when the daemon has gone. One that is too long is none. */
static struct slice receive(void)
{
	struct iovec part = { packet, sizeof(packet) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	explicit_bzero(packet, sizeof(packet));
	ssize_t n;
	do
		n = recvmsg(CONTROL, &message, 0);
	while (n < 0 && errno == EINTR);
	return slice_make(packet, n > 0 && !(message.msg_flags & MSG_TRUNC) ? (size_t)n : 0);
}

static void take_model_key(struct gate *gate, struct slice message)
{
	struct slice texts[2];
	if (!gateway_wire_read(message, GATEWAY_WIRE_MODEL_KEY, texts, 2))
		log_warn(NULL, "a message that isn't understood came from the daemon");
	else if (!vault_set_model_key(gate->vault, texts[0], texts[1].len > 0))
		log_warn(NULL, "the model key can't be used: it is too long, or has characters that no key has");
}

static void take_git_token(struct gate *gate, struct slice message)
{
	struct slice token;
	if (!gateway_wire_read(message, GATEWAY_WIRE_GIT_TOKEN, &token, 1))
		log_warn(NULL, "a message that isn't understood came from the daemon");
	else if (!vault_set_git_token(gate->vault, token))
		log_warn(NULL, "the git token can't be used: it is too long, or has characters that no token has");
}

static void take_submodule(struct gate *gate, struct slice message)
{
	struct slice texts[2];
	if (!gateway_wire_read(message, GATEWAY_WIRE_SUBMODULE, texts, 2))
		log_warn(NULL, "a message that isn't understood came from the daemon");
	else if (!vault_set_submodule(gate->vault, texts[0], texts[1]))
		log_warn(NULL, "a submodule's repository can't be used: there are too many, or its token is no good");
}

static void take_message(struct gate *gate, struct slice message)
{
	if (message.ptr[0] == GATEWAY_WIRE_GIT_TOKEN)
		take_git_token(gate, message);
	else if (message.ptr[0] == GATEWAY_WIRE_SUBMODULE)
		take_submodule(gate, message);
	else
		take_model_key(gate, message);
}

static void follow_daemon(struct gate *gate)
{
	for (;;) {
		struct pollfd p = { .fd = CONTROL, .events = POLLIN };
		int n = poll(&p, 1, 1000);
		report_flush(gate->report);
		if (n < 0 && errno != EINTR)
			return;
		if (n <= 0)
			continue;
		struct slice message = receive();
		if (message.len == 0)
			return;
		take_message(gate, message);
		explicit_bzero(packet, sizeof(packet));
	}
}

/* ---- the start ---- */

static char *text_or_null(struct slice text)
{
	return text.len ? slice_dup(text) : NULL;
}

static bool set_allow_list(struct gate *gate, struct slice egress)
{
	autobuf error = { 0 };
	if (allow_list_reserve_url(&gate->allow, gate->model_url, &error) &&
	    allow_list_reserve_url(&gate->allow, gate->git_url, &error) && allow_list_add(&gate->allow, egress, &error))
		return true;
	log_error(NULL, "the allow-list can't be used: %s", buf_cstr(&error));
	return false;
}

static bool set_up(struct gate *gate, const struct slice *texts)
{
	autofree char *timeout = slice_dup(texts[SETUP_HEAD_TIMEOUT]);
	*gate = (struct gate){ .model_url = slice_dup(texts[SETUP_MODEL_URL]),
			       .model_ca = text_or_null(texts[SETUP_MODEL_CA]),
			       .git_url = slice_dup(texts[SETUP_GIT_URL]),
			       .git_ca = text_or_null(texts[SETUP_GIT_CA]),
			       .model_proxy = text_or_null(texts[SETUP_MODEL_PROXY]),
			       .git_proxy = text_or_null(texts[SETUP_GIT_PROXY]),
			       .repo_key = slice_dup(texts[SETUP_REPO_KEY]),
			       .head_timeout = strtol(timeout, NULL, 10),
			       .vault = vault_new(),
			       .report = report_new(CONTROL) };
	(void)pthread_mutex_init(&gate->model_pool.lock, NULL);
	(void)pthread_mutex_init(&gate->git_pool.lock, NULL);
	if (!gate->vault)
		return false;
	if (!vault_set_git_token(gate->vault, texts[SETUP_GIT_TOKEN]))
		log_warn(NULL, "the git token can't be used: it is too long, or has characters that no token has");
	return set_allow_list(gate, texts[SETUP_EGRESS]);
}

static bool wait_for_setup(struct gate *gate)
{
	struct slice texts[SETUP_COUNT];
	if (!conn_wait(CONTROL, POLLIN, clock_ms() + SETUP_MS))
		return false;
	bool good = gateway_wire_read(receive(), GATEWAY_WIRE_SETUP, texts, SETUP_COUNT) && set_up(gate, texts);
	explicit_bzero(packet, sizeof(packet));
	return good;
}

static void harden(void)
{
	struct rlimit files;
	secrecy_keep();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void free_gate(struct gate *gate)
{
	upstream_pool_free(&gate->model_pool);
	upstream_pool_free(&gate->git_pool);
	allow_list_free(&gate->allow);
	report_free(gate->report);
	free(gate->model_url);
	free(gate->model_ca);
	free(gate->git_url);
	free(gate->git_ca);
	wipe(gate->model_proxy);
	wipe(gate->git_proxy);
	free(gate->repo_key);
}

static int run(void)
{
	static struct gate gate;
	static struct server egress, api, git;
	if (!wait_for_setup(&gate)) {
		log_error(NULL, "no configuration that can be used came from the daemon");
		return 1;
	}
	if (!server_start(&egress, &gate, EGRESS, egress_serve) || !server_start(&api, &gate, API, api_serve) ||
	    !server_start(&git, &gate, GIT, git_serve)) {
		log_error(NULL, "cannot start threads");
		return 1;
	}
	follow_daemon(&gate);
	vault_wipe(gate.vault);
	int64_t deadline = clock_ms() + STOP_MS;
	bool all = server_stop(&egress, deadline);
	all = server_stop(&api, deadline) && all;
	/* A thread that waits for a name server doesn't hear. */
	if (!server_stop(&git, deadline) || !all)
		_exit(0);
	free_gate(&gate);
	return 0;
}

int main(int argc, char **argv)
{
	log_init("craft-sandbox-gateway");
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)printf("craft-sandbox-gateway %s\n", PACKAGE_VERSION);
		return 0;
	}
	if (argc != 1) {
		(void)printf("Usage: craft-sandbox-gateway\n\nThe way out of one sandbox. craft-sandboxd starts it.\n");
		return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
	}
	harden();
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		log_error(NULL, "libcurl can't be used");
		return 1;
	}
	return run();
}

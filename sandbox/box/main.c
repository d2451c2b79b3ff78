/* main.c: craft-box, the one program of ours inside a sandbox: its process 1, and the file tools. */
#include <stdio.h>
#include <string.h>

#include "forward.h"
#include "init.h"
#include "probe.h"
#include "shell.h"
#include "tool.h"

/* The leak check at exit wants to trace, which is forbidden in a sandbox. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static int usage(FILE *out, int code)
{
	(void)fputs("Usage: craft-box init FD [PORT=SOCKET... | none]\n"
		    "       craft-box forward PORT=SOCKET...\n"
		    "       craft-box tool Read|Write|Edit|Glob|Grep\n"
		    "       craft-box probe USERNS PIDNS IPCNS NETNS PORT DIR\n\n"
		    "init: process 1 of a sandbox. Starts programs as the socket FD asks, and hands connections to "
		    "ports of\n"
		    "127.0.0.1 on to unix sockets (3128, 3129 and 3130 to those in /run/sbx, when none is given).\n"
		    "forward: that alone.\n"
		    "tool: reads the tool's input, a JSON object, from stdin; the result goes to stdout, or a sentence "
		    "about\n"
		    "what is wrong to stderr, with exit code 1.\n"
		    "Called bash, it becomes bash with the share of processes that the agent's commands have.\n"
		    "probe: the daemon's self-check: which walls of the sandbox hold.\n",
		    out);
	return code;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "", *slash = strrchr(argv[0], '/');
	if (strcmp(slash ? slash + 1 : argv[0], SHELL_NAME) == 0)
		return shell_main(argv);
	if (strcmp(command, "--help") == 0)
		return usage(stdout, 0);
	if (strcmp(command, "--version") == 0) {
		(void)printf("craft-box %s\n", PACKAGE_VERSION);
		return 0;
	}
	if (strcmp(command, "init") == 0 && argc > 2)
		return init_main(argv[2], argv + 3);
	if (strcmp(command, "forward") == 0 && argc > 2)
		return forward_main(argv + 2);
	if (strcmp(command, "probe") == 0 && argc == 8)
		return probe_main(argv + 2);
	if (strcmp(command, "tool") == 0 && argc == 3)
		return tool_main(argv[2]);
	return usage(stderr, 2);
}

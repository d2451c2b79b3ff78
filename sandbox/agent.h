/* agent.h: Claude Code in the box, headless and duplex (stream-json in and out), kept warm between turns.
 *
 * What it is told by its command line and environment: never to ask (without a permission prompt tool, what its
 * permission mode doesn't allow is refused, and nothing waits for an answer), to start no servers that the repository
 * names, to leave nothing running in the background that would begin turns later, and to go on with the conversation
 * that is in its home, if there is one: `--continue` begins a new one when there is none, or when its files are
 * damaged. Hooks and the repository's idea of the API are kept out by /etc/claude-code/managed-settings.json in the
 * box.
 *
 * Its lines are system (init at the begin of each turn, api_retry, task_started ...), assistant, user (results of
 * tools), rate_limit_event and result. A result has is_error; its subtype says "success" on a 401. Lines that answer
 * our own requests (control_response) aren't passed on. */
#ifndef CRAFT_AGENT_H
#define CRAFT_AGENT_H

#include "box.h"

struct agent;

struct agent_result {
	bool success;	      /* judged by is_error of the result line */
	struct slice output;  /* the final text in UTF-8; of a failure what is known about it; may be empty */
	struct slice denials; /* as struct agent_line has them */
	int exit_code;	      /* 0 for a turn that ended well, 1 for one that did not, else the process's */
	bool interrupted;     /* agent_interrupt() was called */
};

struct agent_events {
	/* One line of its stdout, without the newline, byte for byte as it came; not always JSON or UTF-8. In the place
	 * of one of more than AGENT_LINE_MAX comes a line that says so. */
	void (*on_line)(void *user, struct slice line);
	/* The turn is over: once for each agent_turn(). The next one may be begun from here. */
	void (*on_result)(void *user, const struct agent_result *result);
	/* The process ended, by itself or not; in a turn, on_result came before. The struct is freed after. */
	void (*on_end)(void *user, int exit_code);
};

/* Starts the process (not a turn; started early, it answers the first one sooner). oauth: which placeholder for a
 * credential it gets. about: what it is to know of its checkout, beside all else that it knows; may be empty. NULL:
 * *error says why, nothing else comes. */
struct agent *agent_start(uv_loop_t *loop, struct box *box, const struct conf *conf, bool oauth, const char *about,
			  const struct agent_events *events, void *user, struct buf *error);
/* Begins a turn with this text, not empty, UTF-8; it is copied. Only when none is under way. */
void agent_turn(struct agent *agent, struct slice prompt);
/* Ends the turn under way and keeps the conversation; on_result comes. A process that doesn't obey for 5 s is killed.
 */
void agent_interrupt(struct agent *agent);
/* Ends what its commands of the last age_ms have left in the background. */
void agent_sweep(struct agent *agent, uint64_t age_ms);
bool agent_busy(const struct agent *agent);
/* Ends the process: kindly between turns, at once in one; on_end still comes. */
void agent_stop(struct agent *agent);
/* Reads nothing more, and goes on, for when the database can't keep up; lines that were read already still come. */
void agent_pause(struct agent *agent);
void agent_resume(struct agent *agent);
/* The last stderr of the process, for the log. */
struct slice agent_errors(const struct agent *agent);

#endif

/* notify.h: telling the service manager how the daemon is: the protocol of sd_notify(3) and sd_watchdog_enabled(3),
 * which is one datagram per message to $NOTIFY_SOCKET. Without a manager that asked for it nothing happens. */
#ifndef CRAFT_NOTIFY_H
#define CRAFT_NOTIFY_H

#include <stdint.h>

/* Takes what the manager asked for from the environment, so that no child inherits it. startup() does it. */
void notify_init(void);

/* It serves from now on. */
void notify_ready(void);

/* It was told to end, and finishes what is under way. */
void notify_stopping(void);

/* A sign of life, when one is due: to be called from the loop that everything depends on. now: ms of any clock that
 * doesn't jump. */
void notify_alive(int64_t now);

/* When the next sign of life is due, in ms of the clock that notify_alive() is told; INT64_MAX: never. */
int64_t notify_due(void);

#endif

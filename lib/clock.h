/* clock.h: what time it is. The clock that never goes back is for how long something takes and until when to wait; the
 * wall clock is for moments that others are told, and may be set. On libuv's loop its own uv_now() is used. */
#ifndef CRAFT_CLOCK_H
#define CRAFT_CLOCK_H

#include <stdint.h>

/* Milliseconds, and microseconds, of the clock that never goes back (clock_gettime(2), CLOCK_MONOTONIC). */
int64_t clock_ms(void);
int64_t clock_us(void);

/* Milliseconds since 1970. */
int64_t clock_wall_ms(void);
/* Seconds since 1970, by time(2): the clock that files are stamped with. */
int64_t clock_wall_s(void);

#endif

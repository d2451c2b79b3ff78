/* shared.h: memory and locks that the master makes before its children and all of them have. */
#ifndef CRAFT_FCGI_SHARED_H
#define CRAFT_FCGI_SHARED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Zeroed. NULL: there is none. */
void *shared_memory(size_t size);
void shared_memory_free(void *memory, size_t size);

/* A lock in such memory, robust: a child may be killed while it has it, and what it left half done must be good for
 * whoever comes next. False: the lock can't be used. */
bool shared_lock_init(pthread_mutex_t *lock);
bool shared_lock(pthread_mutex_t *lock);
void shared_unlock(pthread_mutex_t *lock);

#endif

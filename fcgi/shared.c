/* shared.c: memory and locks of all children. */
#include "shared.h"

#include <errno.h>
#include <sys/mman.h>

void *shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

void shared_memory_free(void *memory, size_t size)
{
	if (memory)
		(void)munmap(memory, size);
}

bool shared_lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;
	if (pthread_mutexattr_init(&attr) != 0)
		return false;
	bool ok = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0 &&
		  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0 && pthread_mutex_init(lock, &attr) == 0;
	(void)pthread_mutexattr_destroy(&attr);
	return ok;
}

bool shared_lock(pthread_mutex_t *lock)
{
	int rc = pthread_mutex_lock(lock);
	return rc == 0 || (rc == EOWNERDEAD && pthread_mutex_consistent(lock) == 0);
}

void shared_unlock(pthread_mutex_t *lock)
{
	(void)pthread_mutex_unlock(lock);
}

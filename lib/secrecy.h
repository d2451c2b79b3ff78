/* secrecy.h: what a process that holds keys does about its memory. */
#ifndef CRAFT_SECRECY_H
#define CRAFT_SECRECY_H

/* From here on no core file is written of this process, by whatever way, and other processes of its user can't read its
 * memory or its environment, or trace it; root can, with CAP_SYS_PTRACE. Call it before keys are read. Processes that
 * it forks have it, too; those that it executes have the limit of core files only. */
void secrecy_keep(void);

#endif

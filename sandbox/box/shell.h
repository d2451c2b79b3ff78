/* shell.h: the shell of the agent's commands. */
#ifndef CRAFT_BOX_SHELL_H
#define CRAFT_BOX_SHELL_H

/* The name that craft-box has in the box as that shell: Claude Code takes no other that doesn't sound like one. */
#define SHELL_NAME "bash"

/* Becomes bash, with these arguments, and with less of the processes than the agent has, so that it always has some for
 * itself. Where its earlier commands left so many that none can be started, they make way. */
int shell_main(char **argv);

#endif

/* The signals that the supervisor takes, as a descriptor: SIGCHLD, and those that stop a run in
 * order (SIGINT, SIGTERM, SIGHUP unless it is ignored, as under nohup). */
#pragma once

/* Blocks them, and ignores SIGPIPE. A descriptor to poll for reading, or -errno. */
int fls_signals_take(void);
/* The number of the next signal that has come, 0 if there is none. */
int fls_signals_next(int signal_fd);

/* Jobs side by side, where there are cores for it. */
#pragma once

/* Calls job(context, number) once for each number below job_cnt, the smallest first, in at most
 * thread_max threads (1 or more; the caller is one of them) and no more than this process may use
 * cores. Returns when all are done; what the jobs wrote is then seen by the caller. Where a thread
 * cannot be had, the others do its share. Jobs write nothing that they share. */
void fls_threads_run(unsigned thread_max, unsigned job_cnt, void (*job)(void *, unsigned number),
                     void *context);

/* Standard input and FIFOs: what they bring is copied to a file in the spool, whose name is the sum
 * of its bytes, and that is the object. What goes wrong with one is told by fls_scan_unreadable;
 * all: 0, or -errno (memory, ledger, -EINTR when the scan is to end). */
#pragma once

struct fls_scan;

/* Spools what the descriptor brings, which is closed by the caller. `path` is for people. */
int fls_spool_add(struct fls_scan *scan, int from, const char *path);
/* The same of a FIFO that is named. */
int fls_spool_add_fifo(struct fls_scan *scan, const char *path);
/* Removes spooled files that are counted by now. The scan has a ledger and a spool. */
int fls_spool_sweep(struct fls_scan *scan);
/* The spool may lie under a folder that is read: what is in it is no object a second time. Before
 * fls_walk_all. */
int fls_spool_pass_by(struct fls_scan *scan);

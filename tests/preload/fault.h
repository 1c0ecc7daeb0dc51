/*
 * fault.h: a disk that fails on demand, and a recorder of everything a program asks of its disk.
 *
 * Preloaded (LD_PRELOAD) into the program under test. It stands before the libc calls that change files, counts
 * those that touch a path below one folder (the root), may fail one of them, and may write down all of them, so
 * that `tests/src/preload` can rebuild every state the disk could be in had the power gone at any moment.
 *
 * What it does is said by the environment; the three abilities combine freely:
 *
 *   POSTRIDER_FAULT_ROOT    the folder, absolute and canonical. Without it the library does nothing at all.
 *   POSTRIDER_FAULT_REPORT  a text file: one line per counted call, "NUMBER KIND RESULT PATH [PATH]", where RESULT
 *                           is ok, short, failed (the system said no by itself), EIO or ENOSPC (we said no).
 *   POSTRIDER_FAULT_KIND    count only calls of this kind: write sync rename link unlink create mkdir truncate.
 *   POSTRIDER_FAULT_FAIL    n: the n-th counted call fails.
 *   POSTRIDER_FAULT_ERROR   EIO (default) or ENOSPC.
 *   POSTRIDER_FAULT_STICKY  1: it stays so. With EIO every later call fails; with ENOSPC every call that needs space.
 *   POSTRIDER_FAULT_SHORT   1: if the n-th call is a write, half of it is written and the short count returned.
 *   POSTRIDER_FAULT_TRACE   a binary file: every change that happened, in order (see `struct record`).
 *   POSTRIDER_FAULT_NOSYNC  1: fsync and fdatasync say yes, do nothing, and are not traced: the test of the test.
 *
 * The octets a program sends to a socket are traced too (the first SENT_OCTETS_MAX of each send, before they
 * leave): so the moment of each "250 ..." has its place among the writes and syncs.
 *
 * One lock is held over each change and its record, so the order of the trace is the order of the changes, and
 * whatever stands before a sync in the trace was complete when the sync began.
 *
 * The parts: fault.c (environment, counting, trace), data.c (writes, syncs, sends), names.c (files and folders).
 *
 * What it does not see: system calls made without libc (rustix with its default linux_raw backend, io_uring),
 * and writes through a shared mapping. The explorer notices, because the rebuilt folder then differs from the
 * real one. What it sees but the model does not know (O_SYNC, O_TMPFILE, syncfs, a rename across the root's
 * border, ...) is traced as UNSUPPORTED, and the explorer refuses the trace.
 */
#ifndef POSTRIDER_FAULT_H
#define POSTRIDER_FAULT_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#if !defined(__linux__) || !defined(__LP64__)
#error "offsets are passed to the kernel as 64-bit Linux takes them"
#endif

enum kind { WRITE, SYNC, RENAME, LINK, UNLINK, CREATE, MKDIR, TRUNCATE, KINDS };

/* What happened, in the trace. Numbers are part of the format; `trace.rs` reads them. */
enum event {
	DID_CREATE = 1,      /* path, inode */
	DID_MKDIR = 2,       /* path, inode */
	DID_WRITE = 3,       /* inode, offset, data */
	DID_RESIZE = 4,      /* inode, offset: the new length */
	DID_RENAME = 5,      /* path -> path2 */
	DID_LINK = 6,        /* path -> path2 */
	DID_UNLINK = 7,      /* path */
	DID_RMDIR = 8,       /* path */
	DID_SYNC = 9,        /* inode of a file or directory */
	DID_SYNC_FAILED = 10, /* inode: what was waiting may be lost for good */
	DID_SEND = 11,       /* inode of the socket, data; noted before it leaves */
	DID_UNSUPPORTED = 12, /* path: which call */
};

/* One record of the trace, in the machine's byte order: this, then path, path2 and data. */
struct record {
	uint32_t event;
	uint32_t path_octets;
	uint32_t path2_octets;
	uint32_t reserved;
	uint64_t inode;
	uint64_t offset;
	uint64_t data_octets;
};

enum place { ELSEWHERE, ROOT, SOCKET };

/* Our own names must not meet the program's: hidden. */
#pragma GCC visibility push(hidden)

/* Whether there is a root at all. */
int is_awake(void);
/* Whether syncs do nothing. */
int is_nosync(void);
/* The error that calls fail with. */
int failing_error(void);

/* Where the descriptor leads, or whether the path lies below the root; `inside` is then the path from the root.
 * Both leave errno alone. */
enum place descriptor_place(int fd, char inside[PATH_MAX]);
int path_counts(int dirfd, const char *path, char inside[PATH_MAX]);
uint64_t inode_of(int fd);

/* Takes the lock, counts the call, and says what shall happen to it: 0, or the error to fail with; `half`: it is a
 * write, of which half shall be done. */
int enter(enum kind kind, int *half);
/* Reports the call and gives the lock back. `path2` may be NULL. */
void leave(enum kind kind, const char *result, const char *path, const char *path2);
/* The word for a result: an error that we made, or whether the call failed by itself. */
const char *name_of(int injected, int failed);

/* Appends to the trace; the lock is held. Of `iov`, so many octets are noted. */
void note(enum event event, const char *path, const char *path2, uint64_t inode, uint64_t offset,
	  const struct iovec *iov, size_t data_octets);
void note_unsupported(const char *what);
/* The same for calls that are not counted: take the lock themselves. */
void note_unsupported_alone(const char *what);
void note_sent(int fd, const struct iovec *iov, int parts);

#pragma GCC visibility pop
#endif

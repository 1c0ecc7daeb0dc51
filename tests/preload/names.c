/* names.c: how files and folders begin, move and end. See fault.h. */
#include "fault.h"
#include <stdarg.h>

/* Every way of opening ends here; only those that may change something are counted. */
static int open_at(int dirfd, const char *path, int flags, mode_t mode)
{
	char inside[PATH_MAX];
	struct stat st;
	int changes = (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
	int writes = (flags & O_ACCMODE) != O_RDONLY;
	if ((!changes && !writes) || !path_counts(dirfd, path, inside))
		return (int)syscall(SYS_openat, dirfd, path, flags, mode);
	if (!changes) {
		int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
		if (fd >= 0 && (flags & O_DSYNC) != 0)
			note_unsupported_alone("open with O_SYNC or O_DSYNC");
		return fd;
	}

	int half;
	int injected = enter(CREATE, &half);
	int existed = syscall(SYS_newfstatat, dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
	int fd = injected ? -1 : (int)syscall(SYS_openat, dirfd, path, flags, mode);
	int error = injected ? injected : errno;
	if (fd >= 0) {
		if ((flags & O_TMPFILE) == O_TMPFILE)
			note_unsupported("open with O_TMPFILE");
		else if ((flags & O_DSYNC) != 0)
			note_unsupported("open with O_SYNC or O_DSYNC");
		if (!existed)
			note(DID_CREATE, inside, "", inode_of(fd), 0, NULL, 0);
		else if ((flags & O_TRUNC) != 0)
			note(DID_RESIZE, "", "", inode_of(fd), 0, NULL, 0);
	}
	leave(CREATE, name_of(injected, fd < 0), inside, NULL);
	errno = error;
	return fd;
}

/* The mode is there only when the flags say so. */
#define MODE_ARGUMENT(flags, mode)                                      \
	do {                                                            \
		if (((flags) & O_CREAT) != 0 ||                         \
		    ((flags) & O_TMPFILE) == O_TMPFILE) {               \
			va_list rest;                                   \
			va_start(rest, flags);                          \
			mode = va_arg(rest, mode_t);                    \
			va_end(rest);                                   \
		}                                                       \
	} while (0)

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	MODE_ARGUMENT(flags, mode);
	return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	MODE_ARGUMENT(flags, mode);
	return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
	mode_t mode = 0;
	MODE_ARGUMENT(flags, mode);
	return open_at(dirfd, path, flags, mode);
}

int openat64(int dirfd, const char *path, int flags, ...)
{
	mode_t mode = 0;
	MODE_ARGUMENT(flags, mode);
	return open_at(dirfd, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
	return open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode)
{
	return creat(path, mode);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
	char inside[PATH_MAX];
	struct stat st = {0};
	if (!path_counts(dirfd, path, inside))
		return (int)syscall(SYS_mkdirat, dirfd, path, mode);
	int half;
	int injected = enter(MKDIR, &half);
	int result = injected ? -1 : (int)syscall(SYS_mkdirat, dirfd, path, mode);
	int error = injected ? injected : errno;
	if (result == 0 && syscall(SYS_newfstatat, dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		note(DID_MKDIR, inside, "", st.st_ino, 0, NULL, 0);
	leave(MKDIR, name_of(injected, result != 0), inside, NULL);
	errno = error;
	return result;
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

int renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
	char inside[PATH_MAX] = "", inside2[PATH_MAX] = "";
	int from = path_counts(olddir, old, inside), to = path_counts(newdir, new, inside2);
	if (!from && !to)
		return (int)syscall(SYS_renameat2, olddir, old, newdir, new, flags);
	int half;
	int injected = enter(RENAME, &half);
	int result = injected ? -1 : (int)syscall(SYS_renameat2, olddir, old, newdir, new, flags);
	int error = injected ? injected : errno;
	if (result == 0 && (!from || !to || (flags & ~1u) != 0))
		note_unsupported("rename across the root's border, or with exchange");
	else if (result == 0)
		note(DID_RENAME, inside, inside2, 0, 0, NULL, 0);
	leave(RENAME, name_of(injected, result != 0), inside, inside2);
	errno = error;
	return result;
}

int renameat(int olddir, const char *old, int newdir, const char *new)
{
	return renameat2(olddir, old, newdir, new, 0);
}

int rename(const char *old, const char *new)
{
	return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0);
}

int linkat(int olddir, const char *old, int newdir, const char *new, int flags)
{
	char inside[PATH_MAX] = "", inside2[PATH_MAX] = "";
	int from = path_counts(olddir, old, inside), to = path_counts(newdir, new, inside2);
	if (!to)
		return (int)syscall(SYS_linkat, olddir, old, newdir, new, flags);
	int half;
	int injected = enter(LINK, &half);
	int result = injected ? -1 : (int)syscall(SYS_linkat, olddir, old, newdir, new, flags);
	int error = injected ? injected : errno;
	if (result == 0 && !from)
		note_unsupported("link from outside the root");
	else if (result == 0)
		note(DID_LINK, inside, inside2, 0, 0, NULL, 0);
	leave(LINK, name_of(injected, result != 0), inside, inside2);
	errno = error;
	return result;
}

int link(const char *old, const char *new)
{
	return linkat(AT_FDCWD, old, AT_FDCWD, new, 0);
}

int unlinkat(int dirfd, const char *path, int flags)
{
	char inside[PATH_MAX];
	if (!path_counts(dirfd, path, inside))
		return (int)syscall(SYS_unlinkat, dirfd, path, flags);
	int half;
	int injected = enter(UNLINK, &half);
	int result = injected ? -1 : (int)syscall(SYS_unlinkat, dirfd, path, flags);
	int error = injected ? injected : errno;
	if (result == 0)
		note((flags & AT_REMOVEDIR) != 0 ? DID_RMDIR : DID_UNLINK, inside, "", 0, 0, NULL, 0);
	leave(UNLINK, name_of(injected, result != 0), inside, NULL);
	errno = error;
	return result;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

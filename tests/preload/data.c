/* data.c: writes, lengths, syncs, and words on the wire. See fault.h. */
#include "fault.h"

#define AT_POSITION ((off_t)-1)

/* writev or pwritev, without us. */
static ssize_t plain_put(int fd, const struct iovec *iov, int parts, off_t at)
{
	if (at == AT_POSITION)
		return syscall(SYS_writev, fd, iov, (long)parts);
	return syscall(SYS_pwritev, fd, iov, (long)parts, (long)at, 0L);
}

/* Half of what `iov` holds: the disk filled up in the middle. */
static ssize_t put_half(int fd, const struct iovec *iov, int parts, off_t at)
{
	struct iovec first = iov[0];
	if (parts == 1)
		first.iov_len /= 2;
	if (first.iov_len > 0)
		return plain_put(fd, &first, 1, at);
	errno = failing_error();
	return -1;
}

/* Every way of writing ends here. */
static ssize_t put(int fd, const struct iovec *iov, int parts, off_t at)
{
	char inside[PATH_MAX];
	enum place place = descriptor_place(fd, inside);
	if (place == SOCKET)
		note_sent(fd, iov, parts);
	if (place != ROOT)
		return plain_put(fd, iov, parts, at);

	int half;
	int injected = enter(WRITE, &half);
	ssize_t done = injected ? -1 : half ? put_half(fd, iov, parts, at) : plain_put(fd, iov, parts, at);
	int error = injected ? injected : errno;
	if (done > 0) {
		/* After a write the position is its end, with O_APPEND too. */
		off_t offset = at == AT_POSITION ? lseek(fd, 0, SEEK_CUR) - done : at;
		note(DID_WRITE, "", "", inode_of(fd), (uint64_t)offset, iov, (size_t)done);
	}
	leave(WRITE, half ? "short" : name_of(injected, done < 0), inside, NULL);
	errno = error;
	return done;
}

ssize_t write(int fd, const void *data, size_t octets)
{
	struct iovec iov = {(void *)(uintptr_t)data, octets};
	return put(fd, &iov, 1, AT_POSITION);
}

ssize_t writev(int fd, const struct iovec *iov, int parts)
{
	return put(fd, iov, parts, AT_POSITION);
}

/* A negative offset must not mean "at the position". */
static ssize_t put_at(int fd, const struct iovec *iov, int parts, off_t at)
{
	if (at < 0) {
		errno = EINVAL;
		return -1;
	}
	return put(fd, iov, parts, at);
}

ssize_t pwrite(int fd, const void *data, size_t octets, off_t at)
{
	struct iovec iov = {(void *)(uintptr_t)data, octets};
	return put_at(fd, &iov, 1, at);
}

ssize_t pwrite64(int fd, const void *data, size_t octets, off_t at)
{
	return pwrite(fd, data, octets, at);
}

ssize_t pwritev(int fd, const struct iovec *iov, int parts, off_t at)
{
	return put_at(fd, iov, parts, at);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int parts, off_t at)
{
	return put_at(fd, iov, parts, at);
}

static int resize(int fd, off_t length)
{
	char inside[PATH_MAX];
	if (descriptor_place(fd, inside) != ROOT)
		return (int)syscall(SYS_ftruncate, fd, length);
	int half;
	int injected = enter(TRUNCATE, &half);
	int result = injected ? -1 : (int)syscall(SYS_ftruncate, fd, length);
	int error = injected ? injected : errno;
	if (result == 0)
		note(DID_RESIZE, "", "", inode_of(fd), (uint64_t)length, NULL, 0);
	leave(TRUNCATE, name_of(injected, result != 0), inside, NULL);
	errno = error;
	return result;
}

int ftruncate(int fd, off_t length)
{
	return resize(fd, length);
}

int ftruncate64(int fd, off_t length)
{
	return resize(fd, length);
}

/* Reserving space is a write: it may find the disk full. Of its effects only a longer file can be seen. */
static int allocate(int fd, int mode, off_t offset, off_t length)
{
	char inside[PATH_MAX];
	struct stat st = {0};
	if (descriptor_place(fd, inside) != ROOT)
		return (int)syscall(SYS_fallocate, fd, mode, offset, length);
	int half;
	int injected = enter(WRITE, &half);
	int result = injected ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, length);
	int error = injected ? injected : errno;
	if (result == 0 && (mode & ~FALLOC_FL_KEEP_SIZE) != 0)
		note_unsupported("fallocate");
	else if (result == 0 && mode == 0 && fstat(fd, &st) == 0)
		note(DID_RESIZE, "", "", st.st_ino, (uint64_t)st.st_size, NULL, 0);
	leave(WRITE, name_of(injected, result != 0), inside, NULL);
	errno = error;
	return result;
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	return allocate(fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off_t offset, off_t length)
{
	return allocate(fd, mode, offset, length);
}

int posix_fallocate(int fd, off_t offset, off_t length)
{
	return allocate(fd, 0, offset, length) == 0 ? 0 : errno;
}

int posix_fallocate64(int fd, off_t offset, off_t length)
{
	return posix_fallocate(fd, offset, length);
}

/* Copying inside the kernel: refused into the root, so that the program falls back to reading and writing. */
ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t octets, unsigned flags)
{
	char inside[PATH_MAX];
	if (descriptor_place(out, inside) == ROOT) {
		errno = ENOSYS;
		return -1;
	}
	return syscall(SYS_copy_file_range, in, in_at, out, out_at, octets, flags);
}

ssize_t sendfile(int out, int in, off_t *at, size_t octets)
{
	char inside[PATH_MAX];
	if (descriptor_place(out, inside) == ROOT) {
		errno = ENOSYS;
		return -1;
	}
	return syscall(SYS_sendfile, out, in, at, octets);
}

ssize_t sendfile64(int out, int in, off_t *at, size_t octets)
{
	return sendfile(out, in, at, octets);
}

static int sync_one(int fd, long number)
{
	char inside[PATH_MAX];
	if (descriptor_place(fd, inside) != ROOT)
		return (int)syscall(number, fd);
	int half;
	int injected = enter(SYNC, &half);
	int result = injected ? -1 : is_nosync() ? 0 : (int)syscall(number, fd);
	int error = injected ? injected : errno;
	if (result != 0)
		note(DID_SYNC_FAILED, "", "", inode_of(fd), 0, NULL, 0);
	else if (!is_nosync())
		note(DID_SYNC, "", "", inode_of(fd), 0, NULL, 0);
	leave(SYNC, name_of(injected, result != 0), inside, NULL);
	errno = error;
	return result;
}

int fsync(int fd)
{
	return sync_one(fd, SYS_fsync);
}

int fdatasync(int fd)
{
	return sync_one(fd, SYS_fdatasync);
}

/* It starts or waits for writing, and promises nothing after a power loss: counted, never traced as a sync. */
int sync_file_range(int fd, off_t offset, off_t octets, unsigned flags)
{
	char inside[PATH_MAX];
	if (descriptor_place(fd, inside) != ROOT)
		return (int)syscall(SYS_sync_file_range, fd, offset, octets, flags);
	int half;
	int injected = enter(SYNC, &half);
	int result = injected ? -1 : (int)syscall(SYS_sync_file_range, fd, offset, octets, flags);
	int error = injected ? injected : errno;
	leave(SYNC, name_of(injected, result != 0), inside, NULL);
	errno = error;
	return result;
}

int syncfs(int fd)
{
	note_unsupported_alone("syncfs");
	return (int)syscall(SYS_syncfs, fd);
}

ssize_t sendto(int fd, const void *data, size_t octets, int flags, const struct sockaddr *to, socklen_t to_octets)
{
	struct iovec iov = {(void *)(uintptr_t)data, octets};
	if (is_awake())
		note_sent(fd, &iov, 1);
	return syscall(SYS_sendto, fd, data, octets, (long)flags, to, (long)to_octets);
}

ssize_t send(int fd, const void *data, size_t octets, int flags)
{
	return sendto(fd, data, octets, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (is_awake())
		note_sent(fd, message->msg_iov, (int)message->msg_iovlen);
	return syscall(SYS_sendmsg, fd, message, (long)flags);
}

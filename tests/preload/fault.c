/* fault.c: the environment, which calls count, which fail, the report and the trace. See fault.h. */
#include "fault.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The start of what is sent to a socket, which is traced. Replies of SMTP servers are short. */
#define SENT_OCTETS_MAX 4096
/* Our own descriptors lie above this, out of the program's way. */
#define OWN_DESCRIPTOR_MIN 200

static const char *const KIND_NAMES[KINDS] = {"write",  "sync",   "rename", "link",
					      "unlink", "create", "mkdir",  "truncate"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_octets; /* 0: the library sleeps */
static int report_fd = -1;
static int trace_fd = -1;
static int only_kind = -1;
static long fail_at;
static int fail_error = EIO;
static int sticky, shorten, nosync;
/* Under the lock: */
static long counted;
static int broken;

/* ---- starting --------------------------------------------------------------------------------------------- */

static void die(const char *why)
{
	dprintf(2, "fault.c: %s\n", why);
	_exit(97);
}

static int own_file(const char *variable)
{
	const char *path = getenv(variable);
	if (path == NULL)
		return -1;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, OWN_DESCRIPTOR_MIN);
	if (high < 0)
		die("cannot open the report or the trace");
	syscall(SYS_close, fd);
	return high;
}

static int is_set(const char *variable)
{
	const char *value = getenv(variable);
	return value != NULL && strcmp(value, "1") == 0;
}

__attribute__((constructor)) static void start(void)
{
	const char *folder = getenv("POSTRIDER_FAULT_ROOT");
	const char *kind = getenv("POSTRIDER_FAULT_KIND");
	const char *nth = getenv("POSTRIDER_FAULT_FAIL");
	const char *error = getenv("POSTRIDER_FAULT_ERROR");
	if (folder == NULL)
		return;
	if (folder[0] != '/' || strlen(folder) >= sizeof root)
		die("POSTRIDER_FAULT_ROOT must be absolute");
	for (int k = 0; kind != NULL && k < KINDS; k++)
		if (strcmp(kind, KIND_NAMES[k]) == 0)
			only_kind = k;
	if (kind != NULL && only_kind < 0)
		die("POSTRIDER_FAULT_KIND is none of the kinds");
	if (error != NULL && strcmp(error, "ENOSPC") == 0)
		fail_error = ENOSPC;
	else if (error != NULL && strcmp(error, "EIO") != 0)
		die("POSTRIDER_FAULT_ERROR is EIO or ENOSPC");
	fail_at = nth == NULL ? 0 : atol(nth);
	sticky = is_set("POSTRIDER_FAULT_STICKY");
	shorten = is_set("POSTRIDER_FAULT_SHORT");
	nosync = is_set("POSTRIDER_FAULT_NOSYNC");
	report_fd = own_file("POSTRIDER_FAULT_REPORT");
	trace_fd = own_file("POSTRIDER_FAULT_TRACE");
	strcpy(root, folder);
	root_octets = strlen(root);
}

int is_awake(void)
{
	return root_octets > 0;
}

int is_nosync(void)
{
	return nosync;
}

int failing_error(void)
{
	return fail_error;
}

/* ---- where a call goes ------------------------------------------------------------------------------------ */

/* Whether `absolute` is the root or lies below it; `inside` is then its path from there. */
static int below_root(const char *absolute, char inside[PATH_MAX])
{
	if (strncmp(absolute, root, root_octets) != 0)
		return 0;
	if (absolute[root_octets] != '\0' && absolute[root_octets] != '/')
		return 0;
	const char *rest = absolute + root_octets;
	snprintf(inside, PATH_MAX, "%s", *rest == '/' ? rest + 1 : rest);
	return 1;
}

/* The text of /proc/self/fd/FD; 0 when there is none. */
static int descriptor_text(int fd, char text[PATH_MAX])
{
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t octets = readlink(link, text, PATH_MAX - 1);
	if (octets < 0)
		return 0;
	text[octets] = '\0';
	return 1;
}

/* Removes "//", "." and ".." by text alone: below the root there are no symbolic links to folders. */
static void normalise(char *path)
{
	char *out = path, *in = path;
	while (*in != '\0') {
		while (*in == '/')
			in++;
		size_t octets = strcspn(in, "/");
		if (octets == 2 && in[0] == '.' && in[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (octets > 0 && !(octets == 1 && in[0] == '.')) {
			*out++ = '/';
			memmove(out, in, octets);
			out += octets;
		}
		in += octets;
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

int path_counts(int dirfd, const char *path, char inside[PATH_MAX])
{
	char absolute[2 * PATH_MAX] = "";
	int saved = errno;
	int counts = 0;
	if (root_octets == 0 || strlen(path) >= PATH_MAX)
		return 0;
	if (path[0] != '/') {
		int known = dirfd == AT_FDCWD ? getcwd(absolute, PATH_MAX) != NULL : descriptor_text(dirfd, absolute);
		if (!known)
			goto out;
		strcat(absolute, "/");
	}
	strcat(absolute, path);
	normalise(absolute);
	counts = below_root(absolute, inside);
out:
	errno = saved;
	return counts;
}

enum place descriptor_place(int fd, char inside[PATH_MAX])
{
	char text[PATH_MAX];
	int saved = errno;
	enum place place = ELSEWHERE;
	if (root_octets > 0 && descriptor_text(fd, text)) {
		if (below_root(text, inside))
			place = ROOT;
		else if (strncmp(text, "socket:", 7) == 0)
			place = SOCKET;
	}
	errno = saved;
	return place;
}

uint64_t inode_of(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* ---- counting, failing, reporting ------------------------------------------------------------------------- */

static int needs_space(enum kind kind)
{
	return kind == WRITE || kind == CREATE || kind == MKDIR || kind == LINK;
}

int enter(enum kind kind, int *half)
{
	pthread_mutex_lock(&lock);
	*half = 0;
	if (only_kind >= 0 && only_kind != (int)kind)
		return 0;
	counted++;
	if (fail_at > 0 && counted == fail_at) {
		broken = sticky;
		*half = shorten && kind == WRITE;
		return *half ? 0 : fail_error;
	}
	if (broken && (fail_error == EIO || needs_space(kind)))
		return fail_error;
	return 0;
}

void leave(enum kind kind, const char *result, const char *path, const char *path2)
{
	if (report_fd >= 0 && (only_kind < 0 || only_kind == (int)kind)) {
		char line[2 * PATH_MAX + 64];
		int octets = snprintf(line, sizeof line, "%ld %s %s %s%s%s\n", counted, KIND_NAMES[kind], result, path,
				      path2 == NULL ? "" : " ", path2 == NULL ? "" : path2);
		if (octets > 0 && syscall(SYS_write, report_fd, line, (size_t)octets) != octets)
			die("cannot write the report");
	}
	pthread_mutex_unlock(&lock);
}

const char *name_of(int injected, int failed)
{
	return injected == EIO ? "EIO" : injected == ENOSPC ? "ENOSPC" : failed ? "failed" : "ok";
}

/* ---- the trace -------------------------------------------------------------------------------------------- */

static void pour(const void *data, size_t octets)
{
	const char *at = data;
	while (octets > 0) {
		long done = syscall(SYS_write, trace_fd, at, octets);
		if (done <= 0)
			die("cannot write the trace");
		at += done;
		octets -= (size_t)done;
	}
}

void note(enum event event, const char *path, const char *path2, uint64_t inode, uint64_t offset,
	  const struct iovec *iov, size_t data_octets)
{
	char head[sizeof(struct record) + 2 * PATH_MAX];
	struct record record = {
	    .event = event,
	    .path_octets = (uint32_t)strlen(path),
	    .path2_octets = (uint32_t)strlen(path2),
	    .inode = inode,
	    .offset = offset,
	    .data_octets = data_octets,
	};
	if (trace_fd < 0)
		return;
	int saved = errno;
	char *at = head;
	memcpy(at, &record, sizeof record);
	at += sizeof record;
	memcpy(at, path, record.path_octets);
	at += record.path_octets;
	memcpy(at, path2, record.path2_octets);
	at += record.path2_octets;
	pour(head, (size_t)(at - head));
	for (; data_octets > 0; iov++) {
		size_t octets = iov->iov_len < data_octets ? iov->iov_len : data_octets;
		pour(iov->iov_base, octets);
		data_octets -= octets;
	}
	errno = saved;
}

void note_unsupported(const char *what)
{
	note(DID_UNSUPPORTED, what, "", 0, 0, NULL, 0);
}

void note_unsupported_alone(const char *what)
{
	pthread_mutex_lock(&lock);
	note_unsupported(what);
	pthread_mutex_unlock(&lock);
}

void note_sent(int fd, const struct iovec *iov, int parts)
{
	size_t octets = 0;
	if (trace_fd < 0)
		return;
	int saved = errno;
	for (int i = 0; i < parts; i++)
		octets += iov[i].iov_len;
	pthread_mutex_lock(&lock);
	note(DID_SEND, "", "", inode_of(fd), 0, iov, octets < SENT_OCTETS_MAX ? octets : SENT_OCTETS_MAX);
	pthread_mutex_unlock(&lock);
	errno = saved;
}

/* Counts what changes the files of one folder, in all threads and processes that have this library preloaded, and kills the
   process group at a given event, or lets every event from there on fail.

   cc -shared -fPIC -O2 -o file_events.so file_events.c -ldl
   LD_PRELOAD=…/file_events.so FILE_EVENTS_ROOT=folder FILE_EVENTS_STATE=file [FILE_EVENTS_LOG=file] program

   The state is a file of three 64-bit integers that are shared by mapping: events so far; the event before which the group is
   killed (0: none); where it is not 0, the errno with which events fail instead, from that one on: those that such a fault
   concerns, which is never a removal, for EFBIG writes alone, and for others no file that is there already and is only opened. The log has a line for each
   event: its kind and its path. An event is counted before it takes place. Linux only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static long *state;
static int log_file = -1;
static char root[PATH_MAX];
static size_t root_length;

__attribute__((constructor)) static void start(void) {
    const char *folder = getenv("FILE_EVENTS_ROOT"), *file = getenv("FILE_EVENTS_STATE"), *log = getenv("FILE_EVENTS_LOG");
    if (!folder || !file) return;
    int descriptor = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0);
    if (descriptor < 0) return;
    void *shared = mmap(NULL, 3 * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    syscall(SYS_close, descriptor);
    if (shared == MAP_FAILED) return;
    root_length = strlen(strncpy(root, folder, sizeof root - 1));
    if (log) log_file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    state = shared;
}

static int inside(const char *path) {
    return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* Counts an event on a path; not 0 where it is to fail, with errno set. */
static int happened(const char *kind, const char *path) {
    if (!inside(path)) return 0;
    long number = __sync_add_and_fetch(&state[0], 1);
    if (log_file >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%s %s\n", kind, path + root_length);
        syscall(SYS_write, log_file, line, length);
    }
    if (!state[1] || number < state[1]) return 0;
    if (!state[2]) {
        kill(0, SIGKILL);
        for (;;) pause();
    }
    int writes = !strcmp(kind, "write") || !strcmp(kind, "ftruncate");
    if (!writes && (state[2] == EFBIG || !strcmp(kind, "unlink") || !strcmp(kind, "rmdir"))) return 0;
    if (!strcmp(kind, "open") && !access(path, F_OK)) return 0;
    errno = (int)state[2];
    return -1;
}

static int on_descriptor(const char *kind, int descriptor) {
    if (!state) return 0;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int saved = errno;
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length < 0) return 0;
    path[length] = 0;
    return happened(kind, path);
}

static int on_path(const char *kind, int folder, const char *name) {
    if (!state || !name) return 0;
    if (name[0] == '/') return happened(kind, name);
    char link[64] = "/proc/self/cwd", path[2 * PATH_MAX];
    if (folder != AT_FDCWD) snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    int saved = errno;
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    errno = saved;
    if (length < 0) return 0;
    snprintf(path + length, sizeof path - length, "/%s", name);
    return happened(kind, path);
}

#define NEXT(name) ({ static __typeof__(&name) found; if (!found) found = (__typeof__(&name))dlsym(RTLD_NEXT, #name); found; })
#define CHANGES(flags) ((flags) & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR))
#define MODE(mode, last) mode_t mode; { va_list list; va_start(list, last); mode = va_arg(list, mode_t); va_end(list); }

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        MODE(mode, flags) \
        return CHANGES(flags) && on_path("open", AT_FDCWD, path) ? -1 : NEXT(name)(path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        MODE(mode, flags) \
        return CHANGES(flags) && on_path("open", folder, path) ? -1 : NEXT(name)(folder, path, flags, mode); \
    }
#define FOPEN(name) \
    FILE *name(const char *path, const char *mode) { \
        return strpbrk(mode, "wa+") && on_path("open", AT_FDCWD, path) ? NULL : NEXT(name)(path, mode); \
    }

OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64) FOPEN(fopen) FOPEN(fopen64)

int creat(const char *path, mode_t mode) { return on_path("open", AT_FDCWD, path) ? -1 : NEXT(creat)(path, mode); }
int creat64(const char *path, mode_t mode) { return on_path("open", AT_FDCWD, path) ? -1 : NEXT(creat64)(path, mode); }

ssize_t write(int file, const void *data, size_t size) {
    return on_descriptor("write", file) ? -1 : NEXT(write)(file, data, size);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    return on_descriptor("write", file) ? -1 : NEXT(pwrite)(file, data, size, at);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    return on_descriptor("write", file) ? -1 : NEXT(pwrite64)(file, data, size, at);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    return on_descriptor("write", file) ? -1 : NEXT(writev)(file, parts, count);
}
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
    return on_descriptor("write", file) ? -1 : NEXT(pwritev)(file, parts, count, at);
}
ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *there, size_t size, unsigned flags) {
    return on_descriptor("write", to) ? -1 : NEXT(copy_file_range)(from, at, to, there, size, flags);
}
ssize_t sendfile(int to, int from, off_t *at, size_t size) {
    return on_descriptor("write", to) ? -1 : NEXT(sendfile)(to, from, at, size);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t size) {
    return on_descriptor("write", to) ? -1 : NEXT(sendfile64)(to, from, at, size);
}
int ftruncate(int file, off_t size) { return on_descriptor("ftruncate", file) ? -1 : NEXT(ftruncate)(file, size); }
int ftruncate64(int file, off64_t size) { return on_descriptor("ftruncate", file) ? -1 : NEXT(ftruncate64)(file, size); }
int fallocate(int file, int mode, off_t at, off_t size) {
    return on_descriptor("ftruncate", file) ? -1 : NEXT(fallocate)(file, mode, at, size);
}
int fallocate64(int file, int mode, off64_t at, off64_t size) {
    return on_descriptor("ftruncate", file) ? -1 : NEXT(fallocate64)(file, mode, at, size);
}
int posix_fallocate(int file, off_t at, off_t size) {
    return on_descriptor("ftruncate", file) ? errno : NEXT(posix_fallocate)(file, at, size);
}
int posix_fallocate64(int file, off64_t at, off64_t size) {
    return on_descriptor("ftruncate", file) ? errno : NEXT(posix_fallocate64)(file, at, size);
}
int truncate(const char *path, off_t size) {
    return on_path("ftruncate", AT_FDCWD, path) ? -1 : NEXT(truncate)(path, size);
}
int fsync(int file) { return on_descriptor("fsync", file) ? -1 : NEXT(fsync)(file); }
int fdatasync(int file) { return on_descriptor("fsync", file) ? -1 : NEXT(fdatasync)(file); }

int rename(const char *from, const char *to) { return on_path("rename", AT_FDCWD, to) ? -1 : NEXT(rename)(from, to); }
int renameat(int a, const char *from, int b, const char *to) {
    return on_path("rename", b, to) ? -1 : NEXT(renameat)(a, from, b, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    return on_path(flags & 2 ? "exchange" : "rename", b, to) ? -1 : NEXT(renameat2)(a, from, b, to, flags);
}
int link(const char *from, const char *to) { return on_path("link", AT_FDCWD, to) ? -1 : NEXT(link)(from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
    return on_path("link", b, to) ? -1 : NEXT(linkat)(a, from, b, to, flags);
}
int symlink(const char *from, const char *to) { return on_path("link", AT_FDCWD, to) ? -1 : NEXT(symlink)(from, to); }
int unlink(const char *path) { return on_path("unlink", AT_FDCWD, path) ? -1 : NEXT(unlink)(path); }
int unlinkat(int folder, const char *path, int flags) {
    return on_path(flags & AT_REMOVEDIR ? "rmdir" : "unlink", folder, path) ? -1 : NEXT(unlinkat)(folder, path, flags);
}
int remove(const char *path) { return on_path("unlink", AT_FDCWD, path) ? -1 : NEXT(remove)(path); }
int rmdir(const char *path) { return on_path("rmdir", AT_FDCWD, path) ? -1 : NEXT(rmdir)(path); }
int mkdir(const char *path, mode_t mode) { return on_path("mkdir", AT_FDCWD, path) ? -1 : NEXT(mkdir)(path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) {
    return on_path("mkdir", folder, path) ? -1 : NEXT(mkdirat)(folder, path, mode);
}

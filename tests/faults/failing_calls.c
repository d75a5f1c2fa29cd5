/* Let system calls of a program fail, or shift its clock: a library for LD_PRELOAD.
 *
 * FAULT_STATE  file of 64-bit numbers, shared by all processes of the program: number of faults, shift of the
 *              clock in nanoseconds, and the number of matching calls of each kind in the order below
 * FAULT_CALL   write, read, fsync, rename, close, open, mkdir or unlink: the kind of call that fails
 * FAULT_PATH   beginning of the paths of the files on which calls match, except for read
 * FAULT_INPUTS beginning of the paths of the files on which read matches
 * FAULT_ERRNO  number of the error; with 0, the clock is shifted instead
 * FAULT_SHIFT  shift of the clock in seconds
 * FAULT_FIRST  number of the first matching call that fails, from 1
 * FAULT_COUNT  how many calls fail from there
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { WRITE, READ, FSYNC, RENAME, CLOSE, OPENING, MKDIR, UNLINK, N_KINDS };
static const char *const names[N_KINDS] = {"write", "read", "fsync", "rename", "close", "open", "mkdir", "unlink"};
enum { N_FAULTS, SHIFT, COUNTS, N_NUMBERS = COUNTS + N_KINDS };

static int64_t *state;
static int64_t first = 0, count = 0, shift_s = 0;
static int error_number = 0, failing_kind = -1;
static const char *outputs = "", *inputs = "";

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void prepare(void) {
    const char *text = getenv("FAULT_STATE");
    if (!text)
        return;
    int file = REAL(open)(text, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return;
    void *page = mmap(NULL, N_NUMBERS * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    REAL(close)(file);
    if (page == MAP_FAILED)
        return;
    text = getenv("FAULT_CALL");
    for (int kind = 0; text && kind < N_KINDS; kind++)
        if (strcmp(names[kind], text) == 0)
            failing_kind = kind;
    if ((text = getenv("FAULT_PATH")))
        outputs = strdup(text);
    if ((text = getenv("FAULT_INPUTS")))
        inputs = strdup(text);
    if ((text = getenv("FAULT_ERRNO")))
        error_number = atoi(text);
    if ((text = getenv("FAULT_SHIFT")))
        shift_s = atoll(text);
    if ((text = getenv("FAULT_FIRST")))
        first = atoll(text);
    if ((text = getenv("FAULT_COUNT")))
        count = atoll(text);
    state = page;
}

static int is_below(const char *path, const char *folder) {
    return *folder && strncmp(path, folder, strlen(folder)) == 0;
}

/* Count a matching call; return whether it fails. */
static int fails(enum kind kind) {
    int64_t number = __atomic_add_fetch(&state[COUNTS + kind], 1, __ATOMIC_SEQ_CST);
    if ((int)kind != failing_kind || !first || number < first || number >= first + count)
        return 0;
    __atomic_add_fetch(&state[N_FAULTS], 1, __ATOMIC_SEQ_CST);
    if (!error_number)
        __atomic_store_n(&state[SHIFT], shift_s * INT64_C(1000000000), __ATOMIC_SEQ_CST);
    return error_number != 0;
}

static int path_fails(enum kind kind, const char *path) {
    if (!state || !path || !is_below(path, kind == READ ? inputs : outputs) || !fails(kind))
        return 0;
    errno = error_number;
    return 1;
}

static int file_fails(enum kind kind, int file) {
    char link[64], path[4096];
    if (!state)
        return 0;
    int previous = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = previous;
    if (length < 0)
        return 0;
    path[length] = 0;
    return path_fails(kind, path);
}

ssize_t write(int file, const void *bytes, size_t size) {
    return file_fails(WRITE, file) ? -1 : REAL(write)(file, bytes, size);
}
ssize_t pwrite(int file, const void *bytes, size_t size, off_t place) {
    return file_fails(WRITE, file) ? -1 : REAL(pwrite)(file, bytes, size, place);
}
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t place) {
    return file_fails(WRITE, file) ? -1 : REAL(pwrite64)(file, bytes, size, place);
}
ssize_t writev(int file, const struct iovec *parts, int n) {
    return file_fails(WRITE, file) ? -1 : REAL(writev)(file, parts, n);
}
size_t fwrite(const void *bytes, size_t size, size_t n, FILE *file) {
    return file_fails(WRITE, fileno(file)) ? 0 : REAL(fwrite)(bytes, size, n, file);
}
ssize_t sendfile(int target, int source, off_t *place, size_t size) {
    ssize_t (*call)(int, int, off_t *, size_t) = real("sendfile");
    return file_fails(WRITE, target) || file_fails(READ, source) ? -1 : call(target, source, place, size);
}
ssize_t sendfile64(int target, int source, off64_t *place, size_t size) {
    ssize_t (*call)(int, int, off64_t *, size_t) = real("sendfile64");
    return file_fails(WRITE, target) || file_fails(READ, source) ? -1 : call(target, source, place, size);
}
int ftruncate(int file, off_t size) { return file_fails(WRITE, file) ? -1 : REAL(ftruncate)(file, size); }
int ftruncate64(int file, off64_t size) { return file_fails(WRITE, file) ? -1 : REAL(ftruncate64)(file, size); }
ssize_t read(int file, void *bytes, size_t size) {
    return file_fails(READ, file) ? -1 : REAL(read)(file, bytes, size);
}
ssize_t pread(int file, void *bytes, size_t size, off_t place) {
    return file_fails(READ, file) ? -1 : REAL(pread)(file, bytes, size, place);
}
ssize_t pread64(int file, void *bytes, size_t size, off64_t place) {
    return file_fails(READ, file) ? -1 : REAL(pread64)(file, bytes, size, place);
}
ssize_t readv(int file, const struct iovec *parts, int n) {
    return file_fails(READ, file) ? -1 : REAL(readv)(file, parts, n);
}
int fsync(int file) { return file_fails(FSYNC, file) ? -1 : REAL(fsync)(file); }
int fdatasync(int file) { return file_fails(FSYNC, file) ? -1 : REAL(fdatasync)(file); }
int rename(const char *source, const char *target) {
    return path_fails(RENAME, target) ? -1 : REAL(rename)(source, target);
}
int renameat(int a, const char *source, int b, const char *target) {
    return path_fails(RENAME, target) ? -1 : REAL(renameat)(a, source, b, target);
}
int mkdir(const char *path, mode_t mode) { return path_fails(MKDIR, path) ? -1 : REAL(mkdir)(path, mode); }
int unlink(const char *path) { return path_fails(UNLINK, path) ? -1 : REAL(unlink)(path); }

/* The file is closed even if the error says otherwise, as Linux does. */
int close(int file) {
    int has_failed = file_fails(CLOSE, file);
    int answer = REAL(close)(file);
    if (has_failed)
        errno = error_number;
    return has_failed ? -1 : answer;
}

#define OPEN(name)                                                                                       \
    int name(const char *path, int flags, ...) {                                                         \
        va_list more;                                                                                    \
        va_start(more, flags);                                                                           \
        mode_t mode = va_arg(more, mode_t);                                                              \
        va_end(more);                                                                                    \
        return path_fails(OPENING, path) ? -1 : REAL(name)(path, flags, mode);                            \
    }
OPEN(open)
OPEN(open64)

static int64_t shift(void) { return state ? __atomic_load_n(&state[SHIFT], __ATOMIC_SEQ_CST) : 0; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    int answer = REAL(clock_gettime)(clock, now);
    if (!answer && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t total = now->tv_sec * INT64_C(1000000000) + now->tv_nsec + shift();
        now->tv_sec = total / INT64_C(1000000000);
        now->tv_nsec = total % INT64_C(1000000000);
    }
    return answer;
}
time_t time(time_t *target) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (target)
        *target = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *target, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    target->tv_sec = now.tv_sec;
    target->tv_usec = now.tv_nsec / 1000;
    return 0;
}

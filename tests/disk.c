/* A disk for tests, put before the C library by LD_PRELOAD: it is slow, it fails, it forgets what was not synced.
 *
 *   cc -shared -fPIC -O2 -o disk.so tests/disk.c -ldl -lpthread
 *   LD_PRELOAD=disk.so DISK_DELAY_MS=5 yesreply … serve
 *
 *   DISK_DELAY_MS=N       every fsync and fdatasync takes N ms longer
 *   DISK_FAILS=FILE       while FILE exists they end with EIO
 *   DISK_KEEPS=FOLDER     after each, the file's content is kept in FOLDER under its name: what a power cut would leave
 *
 * The content is read through the descriptor that was synced: to open and close the file here would drop the process's
 * own POSIX locks on it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t keeping = PTHREAD_MUTEX_INITIALIZER;

static int keep(int fd, const char *folder) {
    char link[64], path[PATH_MAX], part[PATH_MAX], kept[PATH_MAX], buffer[1 << 16];
    struct stat found;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || fstat(fd, &found) < 0 || !S_ISREG(found.st_mode)) return 0;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    if (snprintf(part, sizeof part, "%s/.part", folder) >= (int)sizeof part) return -1;
    if (snprintf(kept, sizeof kept, "%s/%s", folder, name) >= (int)sizeof kept) return -1;
    int copy = open(part, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (copy < 0) return -1;
    off_t at = 0;
    ssize_t got;
    while ((got = pread(fd, buffer, sizeof buffer, at)) > 0) {
        if (write(copy, buffer, (size_t)got) != got) break;
        at += got;
    }
    close(copy);
    return got == 0 ? rename(part, kept) : -1;
}

static int synced(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *delay = getenv("DISK_DELAY_MS"), *fails = getenv("DISK_FAILS"), *keeps = getenv("DISK_KEEPS");
    if (fails && access(fails, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    if (delay) {
        long ms = atol(delay);
        struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
        nanosleep(&wait, NULL);
    }
    int done = real(fd);
    if (done == 0 && keeps) {
        pthread_mutex_lock(&keeping);
        done = keep(fd, keeps);
        pthread_mutex_unlock(&keeping);
    }
    return done;
}

int fsync(int fd) { return synced("fsync", fd); }
int fdatasync(int fd) { return synced("fdatasync", fd); }

/* service: see the header.
 *
 * Why root may stay root: recordings are 0600 of their users, and a collector for all of them has to read them. What is
 * dropped then is everything else that root can do: the bounding set and the thread's sets keep CAP_DAC_READ_SEARCH
 * alone, and no program it runs gets more.
 */
#include "cli/service.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/os.h"

enum { FIRST_FD = 3 };

static void name_of(const char *names, size_t index, char *name, size_t cap)
{
    for (; names && index > 0; index--) {
        names = strchr(names, ':');
        if (names) names++;
    }
    size_t len = names ? strcspn(names, ":") : 0;
    if (len >= cap) len = cap - 1;
    if (len) memcpy(name, names, len);
    name[len] = '\0';
}

size_t tw__service_sockets(struct tw__inherited *sockets, size_t cap)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
    size_t count = 0;
    if (!pid || !fds || strtol(pid, NULL, 10) != (long)getpid()) return 0;
    long given = strtol(fds, NULL, 10);
    for (long i = 0; i < given && count < cap; i++) {
        int fd = FIRST_FD + (int)i, type = 0, flags = fcntl(fd, F_GETFL);
        socklen_t len = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0) continue;
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
        struct tw__inherited *socket = &sockets[count++];
        *socket = (struct tw__inherited){.fd = fd, .datagram = type == SOCK_DGRAM};
        name_of(names, (size_t)i, socket->name, sizeof socket->name);
    }
    return count;
}

void tw__service_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    if (len == 0 || len >= sizeof to.sun_path) return;
    memcpy(to.sun_path, path, len);
    if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (void *)&to, size);
    (void)close(fd);
}

static int set_capabilities(bool segments)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    uint32_t kept = segments ? UINT32_C(1) << CAP_DAC_READ_SEARCH : 0;
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
        if (!segments || capability != CAP_DAC_READ_SEARCH) (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    data[0].effective = data[0].permitted = kept;
    if (syscall(SYS_capset, &header, data) < 0) return TW_ERR_PERMISSION;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? TW_ERR_PERMISSION : 0;
}

static const struct passwd *new_owner;

static int give_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return lchown(path, new_owner->pw_uid, new_owner->pw_gid);
}

/* Gives a folder and what is in it to the user, also after a first start as root. One that belongs to the user already
 * is left alone: what somebody else can have put there is not for root to give away. */
static int give_folder(const char *folder, const struct passwd *account, char why[TW_WHY_MAX])
{
    struct stat status;
    (void)mkdir(folder, 0700);
    int code = lstat(folder, &status);
    if (code == 0 && S_ISDIR(status.st_mode) && status.st_uid == account->pw_uid) return 0;
    new_owner = account;
    if (code == 0 && S_ISDIR(status.st_mode) && status.st_uid == 0)
        code = nftw(folder, give_one, 16, FTW_PHYS);
    else
        code = -1;
    if (code == 0) return 0;
    tw__os_problem_text(why, TW_WHY_MAX, "data: the folder cannot be given to the user", errno);
    return TW_ERR_PERMISSION;
}

int tw__service_drop_root(const char *user, const char *folder, bool segments, char why[TW_WHY_MAX])
{
    if (geteuid() != 0) return 0;
    const struct passwd *account = getpwnam(user ? user : "trackway");
    if (user && !account) {
        (void)snprintf(why, TW_WHY_MAX, "user: there is no %.60s", user);
        return TW_ERR_NOT_FOUND;
    }
    if (account && account->pw_uid != 0) {
        if (folder && give_folder(folder, account, why) < 0) return TW_ERR_PERMISSION;
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setgid(account->pw_gid) < 0 ||
            setuid(account->pw_uid) < 0) {
            tw__os_problem_text(why, TW_WHY_MAX, "user: cannot be changed", errno);
            return TW_ERR_PERMISSION;
        }
    }
    if (set_capabilities(segments) == 0) return 0;
    tw__os_problem_text(why, TW_WHY_MAX, "root's powers cannot be given up", errno);
    return TW_ERR_PERMISSION;
}

int tw__service_write_file(const char *path, const void *bytes, size_t len, char why[TW_WHY_MAX])
{
    char next[2048];
    int size = snprintf(next, sizeof next, "%s.%ld", path, (long)getpid()), code = TW_ERR_SYSTEM;
    if (size < 0 || (size_t)size >= sizeof next) {
        (void)snprintf(why, TW_WHY_MAX, "%.100s...: too long a path", path);
        return TW_ERR_SPACE;
    }
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0 && write(fd, bytes, len) == (ssize_t)len && close(fd) == 0) code = 0;
    if (code == 0 && rename(next, path) == 0) return 0;
    tw__os_problem_text(why, TW_WHY_MAX, path, errno);
    (void)unlink(next);
    return TW_ERR_SYSTEM;
}

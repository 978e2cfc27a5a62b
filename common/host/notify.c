/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One datagram to the socket that NOTIFY_SOCKET names; a name that begins with
 * "@" is in the abstract name space. Source: sd_notify(3), "Standalone
 * implementations".
 */
#include "common/host/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/str.h"

void notify_send(const char *message)
{
	struct str path = str_from_c(getenv("NOTIFY_SOCKET"));
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	socklen_t len;
	ssize_t sent;
	int fd;

	if (!path.ptr || path.len < 2 || path.len >= sizeof(to.sun_path))
		return;
	if (path.ptr[0] != '/' && path.ptr[0] != '@')
		return;
	memcpy(to.sun_path, path.ptr, path.len);
	if (path.ptr[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
	sent = sendto(fd, message, strlen(message), MSG_NOSIGNAL, (const struct sockaddr *)&to,
	              len);
	(void)sent;
	close(fd);
}

int64_t notify_watchdog_interval_ms(void)
{
	int64_t us, pid;

	if (!str_to_i64(str_from_c(getenv("WATCHDOG_USEC")), &us) || us < 2000)
		return 0;
	if (getenv("WATCHDOG_PID") &&
	    (!str_to_i64(str_from_c(getenv("WATCHDOG_PID")), &pid) || pid != (int64_t)getpid()))
		return 0;
	return us / 2000;
}

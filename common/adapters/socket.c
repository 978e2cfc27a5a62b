/* SPDX-License-Identifier: Apache-2.0 */
#include "common/adapters/socket.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

uint16_t socket_port(int fd)
{
	struct sockaddr_storage address;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		return 0;
	if (address.ss_family == AF_INET6) {
		memcpy(&v6, &address, sizeof(v6));
		return ntohs(v6.sin6_port);
	}
	memcpy(&v4, &address, sizeof(v4));
	return ntohs(v4.sin_port);
}

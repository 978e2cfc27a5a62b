/* SPDX-License-Identifier: Apache-2.0 */
#include "common/host/host.h"
#include "services/workers.h"

int main(int argc, char **argv)
{
	return host_main(&commissions_worker, argc, argv);
}

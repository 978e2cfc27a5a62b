/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program of every worker; TALLY_WORKER, from tally_worker() in CMakeLists.txt,
 * says which.
 */
#include "common/host/host.h"
#include "services/workers.h"

int main(int argc, char **argv)
{
	return host_main(&TALLY_WORKER, argc, argv);
}

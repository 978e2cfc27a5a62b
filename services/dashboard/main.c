/* SPDX-License-Identifier: Apache-2.0 */
#include "services/dashboard/program.h"

int main(int argc, char **argv)
{
	return dashboard_main(argc, argv);
}

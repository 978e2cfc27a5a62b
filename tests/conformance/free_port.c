/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/conformance/free_port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

int free_port(void)
{
	FILE *f = popen("bash -c '. deploy/local/lib.sh && free_port'", "r");
	int port = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &port), 1);
	assert_int_equal(pclose(f), 0);
	return port;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "services/workers.h"

const struct worker *const workers[] = {
	&orders_worker,
	&commissions_worker,
	&scoreboard_worker,
	NULL,
};

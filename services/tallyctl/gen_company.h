/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The company of `tallyctl gen`: a furniture seller in eastern Asia's manner with
 * regions, cities, teams and people, who are promoted, change teams or both, a team
 * that moves to another city, and a plan of two versions.
 *
 * Its clock is always eight hours ahead of UTC. Days count from the first business
 * day of the stream. Nothing fails.
 */
#ifndef TALLY_TALLYCTL_GEN_COMPANY_H
#define TALLY_TALLYCTL_GEN_COMPANY_H

#include "services/tallyctl/gen_books.h"
#include "services/tallyctl/gen_draw.h"

#define GEN_PEOPLE_MOST 500
#define GEN_TEAMS 12
#define GEN_CITIES 7
#define GEN_REGIONS 3
#define GEN_UNITS (GEN_TEAMS + GEN_CITIES + GEN_REGIONS)
#define GEN_CHANNELS 5
#define GEN_PARTNERS 3
#define GEN_PROJECTS 3
#define GEN_CAMPAIGNS 2
#define GEN_PRODUCTS 12
#define GEN_HOURS_AHEAD 8 /* of UTC, in the time zone that the company record names */

/* What a person is from a day on. */
struct gen_stint {
	unsigned from_day, team;
	int level;
	char rating;
};

struct gen_person {
	char id[16];
	char name[24];
	struct gen_stint stints[2];
	unsigned stint_count;
	unsigned scope, seats[GEN_UNITS]; /* in the books; a seat that is 0 has none yet */
};

struct gen_company {
	struct gen_books *books;
	unsigned days, people, move_day, plan_day;
	struct gen_person person[GEN_PEOPLE_MOST];
	unsigned all, units[GEN_UNITS]; /* scopes; units: teams, then cities, then regions */
	unsigned channels[GEN_CHANNELS], partners[GEN_PARTNERS], projects[GEN_PROJECTS],
		campaigns[GEN_CAMPAIGNS], products[GEN_PRODUCTS];
};

/* What an order freezes of one of its payees. */
struct gen_seat {
	const char *payee_id;
	unsigned payee;     /* scope */
	unsigned units[3];  /* scopes of team, city, region */
	unsigned boards[3]; /* scopes of the payee's seats in them */
	int64_t rate_ppm;
	int plan_version;
};

/* A payee whose level no plan pays. */
#define GEN_UNPAID "p-unpaid"

void gen_company_init(struct gen_company *, struct gen_books *, unsigned people, unsigned days,
                      struct draw *);
struct gen_seat gen_company_seat(struct gen_company *, unsigned person, unsigned day);
/* The reference file for `tallyctl publish`. */
void gen_company_write(const struct gen_company *, struct buf *out);

const char *gen_channel(unsigned), *gen_partner(unsigned), *gen_project(unsigned),
	*gen_campaign(unsigned), *gen_product(unsigned);
int64_t gen_product_price(unsigned);

#endif

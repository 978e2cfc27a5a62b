/* SPDX-License-Identifier: Apache-2.0 */
#include "services/tallyctl/gen_company.h"

#include <stdio.h>

#include "common/base/timestamp.h"

#define MOVING_TEAM 5 /* from its city to MOVING_TO */
#define MOVING_TO 1

struct named {
	const char *id, *name;
	unsigned parent;
};

static const struct named regions[GEN_REGIONS] = {
	{ "east", "\u534e\u4e1c\u5927\u533a", 0 },
	{ "south", "\u534e\u5357\u5927\u533a", 0 },
	{ "north", "\u534e\u5317\u5927\u533a", 0 },
};

static const struct named cities[GEN_CITIES] = {
	{ "shanghai", "\u4e0a\u6d77", 0 }, { "hangzhou", "\u676d\u5dde", 0 },
	{ "nanjing", "\u5357\u4eac", 0 },  { "guangzhou", "\u5e7f\u5dde", 1 },
	{ "shenzhen", "\u6df1\u5733", 1 }, { "beijing", "\u5317\u4eac", 2 },
	{ "tianjin", "\u5929\u6d25", 2 },
};

static const struct named teams[GEN_TEAMS] = {
	{ "shanghai-1", "\u4e0a\u6d77\u4e00\u7ec4", 0 },
	{ "shanghai-2", "\u4e0a\u6d77\u4e8c\u7ec4", 0 },
	{ "shanghai-3", "\u4e0a\u6d77\u6e20\u9053\u7ec4", 0 },
	{ "hangzhou-1", "\u676d\u5dde\u4e00\u7ec4", 1 },
	{ "hangzhou-2", "\u676d\u5dde\u6e20\u9053\u7ec4", 1 },
	{ "nanjing-1", "\u5357\u4eac\u4e00\u7ec4", 2 },
	{ "guangzhou-1", "\u5e7f\u5dde\u4e00\u7ec4", 3 },
	{ "guangzhou-2", "\u5e7f\u5dde\u6e20\u9053\u7ec4", 3 },
	{ "shenzhen-1", "\u6df1\u5733\u4e00\u7ec4", 4 },
	{ "beijing-1", "\u5317\u4eac\u4e00\u7ec4", 5 },
	{ "beijing-2", "\u5317\u4eac\u6e20\u9053\u7ec4", 5 },
	{ "tianjin-1", "\u5929\u6d25\u4e00\u7ec4", 6 },
};

static const struct named channels[GEN_CHANNELS] = {
	{ "store", "\u76f4\u8425\u95e8\u5e97", 0 },
	{ "tmall", "\u5929\u732b\u65d7\u8230\u5e97", 0 },
	{ "jd", "\u4eac\u4e1c\u81ea\u8425", 0 },
	{ "live", "\u6296\u97f3\u76f4\u64ad", 0 },
	{ "dealer", "\u7ecf\u9500\u5546", 0 },
};

static const struct named partners[GEN_PARTNERS] = {
	{ "dealer-suzhou", "\u82cf\u5dde\u5b8f\u56fe\u7ecf\u9500", 0 },
	{ "dealer-foshan", "\u4f5b\u5c71\u987a\u8fbe\u7ecf\u9500", 0 },
	{ "dealer-shijiazhuang", "\u77f3\u5bb6\u5e84\u5e7f\u6e90\u7ecf\u9500", 0 },
};

static const struct named projects[GEN_PROJECTS] = {
	{ "spring", "\u6625\u5b63\u7115\u65b0", 0 },
	{ "wedding", "\u5a5a\u623f\u6574\u88c5", 0 },
	{ "office", "\u529e\u516c\u7a7a\u95f4", 0 },
};

static const char *const campaigns[GEN_CAMPAIGNS] = { "spring-sale", "wedding-fair" };

static const struct product {
	const char *id, *name;
	int64_t price;
} products[GEN_PRODUCTS] = {
	{ "sofa", "\u4e91\u6735\u6c99\u53d1", 459900 },
	{ "bed", "\u9759\u7720\u5e8a", 389900 },
	{ "mattress", "\u4e73\u80f6\u5e8a\u57ab", 269900 },
	{ "table", "\u5ca9\u677f\u9910\u684c", 319900 },
	{ "chair", "\u4eba\u4f53\u5de5\u5b66\u6905", 89900 },
	{ "desk", "\u5347\u964d\u4e66\u684c", 199900 },
	{ "wardrobe", "\u5b9a\u5236\u8863\u67dc", 1289900 },
	{ "lamp", "\u62a4\u773c\u843d\u5730\u706f", 45900 },
	{ "carpet", "\u7f8a\u6bdb\u5730\u6bef", 129900 },
	{ "curtain", "\u906e\u5149\u7a97\u5e18", 68800 },
	{ "shelf", "\u5b9e\u6728\u4e66\u67b6", 99900 },
	{ "cabinet", "\u7384\u5173\u67dc", 179900 },
};

static const char *const family_names[] = {
	"\u738b", "\u674e", "\u5f20", "\u5218", "\u9648", "\u6768", "\u8d75",
	"\u9ec4", "\u5468", "\u5434", "\u5f90", "\u5b59", "\u9a6c", "\u6731",
	"\u80e1", "\u6797", "\u90ed", "\u4f55", "\u9ad8", "\u7f57",
};

static const char *const given_names[] = {
	"\u6653\u71d5", "\u5fd7\u5f3a", "\u4e3d\u5a1c", "\u5efa\u56fd", "\u96e8\u6850",
	"\u6d69\u7136", "\u601d\u8fdc", "\u4f73\u6021", "\u6587\u535a", "\u9759\u6021",
	"\u5b50\u8f69", "\u6d77\u6d9b", "\u6b23\u598d", "\u660e\u54f2", "\u79c0\u82f1",
	"\u5b87\u822a", "\u68a6\u6d01", "\u56fd\u680b", "\u96c5\u7434",
};

/* By version, level, rating: others, A. */
static const int64_t rates_ppm[2][3][2] = {
	{ { 12000, 15000 }, { 18000, 22000 }, { 25000, 30000 } },
	{ { 12500, 16000 }, { 19000, 24000 }, { 27500, 33000 } },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *gen_channel(unsigned n)
{
	return channels[n].id;
}

const char *gen_partner(unsigned n)
{
	return partners[n].id;
}

const char *gen_project(unsigned n)
{
	return projects[n].id;
}

const char *gen_campaign(unsigned n)
{
	return campaigns[n];
}

const char *gen_product(unsigned n)
{
	return products[n].id;
}

int64_t gen_product_price(unsigned n)
{
	return products[n].price;
}

/* ---- making -------------------------------------------------------------------- */

/* One in five is promoted, changes teams, or both, on a day in the middle of the stream. */
static void add_person(struct gen_company *c, unsigned n, struct draw *draw)
{
	struct gen_person *person = &c->person[n];
	struct gen_stint *now = &person->stints[0], *next = &person->stints[1];
	unsigned change = draw_below(draw, 15); /* 0: promoted, 1: another team, 2: both */

	*person = (struct gen_person){ .stint_count = change < 3 ? 2 : 1 };
	snprintf(person->id, sizeof(person->id), "p%03u", n + 1);
	snprintf(person->name, sizeof(person->name), "%s%s", family_names[n % COUNT(family_names)],
	         given_names[(n + n / (unsigned)COUNT(family_names)) % COUNT(given_names)]);
	now->team = n % GEN_TEAMS;
	now->level = 1 + (n % 3 == 2) + (n % 6 == 5);
	now->rating = draw_chance(draw, 350) ? 'A' : 'B';
	*next = *now;
	next->from_day = 1 + draw_below(draw, c->days - 1);
	if (change != 1 && next->level < 3)
		next->level++;
	if (change >= 1)
		next->team = (now->team + 1 + draw_below(draw, GEN_TEAMS - 1)) % GEN_TEAMS;
	person->scope = gen_books_scope(c->books, "payee", str_from_c(person->id));
}

static void add_scopes(struct gen_books *books, const char *kind, const struct named *items,
                       unsigned count, unsigned *scopes)
{
	for (unsigned i = 0; i < count; i++)
		scopes[i] = gen_books_scope(books, kind, str_from_c(items[i].id));
}

void gen_company_init(struct gen_company *c, struct gen_books *books, unsigned people,
                      unsigned days, struct draw *draw)
{
	c->books = books;
	c->days = days;
	c->people = people;
	c->move_day = days / 2;
	c->plan_day = days - days / 3;
	c->all = gen_books_scope(books, "company", STR("all"));
	add_scopes(books, "team", teams, GEN_TEAMS, c->units);
	add_scopes(books, "city", cities, GEN_CITIES, c->units + GEN_TEAMS);
	add_scopes(books, "region", regions, GEN_REGIONS, c->units + GEN_TEAMS + GEN_CITIES);
	add_scopes(books, "channel", channels, GEN_CHANNELS, c->channels);
	add_scopes(books, "partner", partners, GEN_PARTNERS, c->partners);
	add_scopes(books, "project", projects, GEN_PROJECTS, c->projects);
	for (unsigned i = 0; i < GEN_CAMPAIGNS; i++)
		c->campaigns[i] = gen_books_scope(books, "campaign", str_from_c(campaigns[i]));
	for (unsigned i = 0; i < GEN_PRODUCTS; i++)
		c->products[i] = gen_books_scope(books, "product", str_from_c(products[i].id));
	for (unsigned i = 0; i < people; i++)
		add_person(c, i, draw);
}

/* ---- seats --------------------------------------------------------------------- */

static unsigned seat_scope(struct gen_company *c, struct gen_person *person, unsigned unit)
{
	const struct gen_scope *scope = &c->books->scopes[c->units[unit]];
	char name[64];

	if (!person->seats[unit]) {
		snprintf(name, sizeof(name), "%.*s:%.*s", STR_ARG(scope->kind), STR_ARG(scope->id));
		person->seats[unit] =
			gen_books_seat(c->books, str_from_c(person->id), str_from_c(name));
	}
	return person->seats[unit];
}

struct gen_seat gen_company_seat(struct gen_company *c, unsigned n, unsigned day)
{
	struct gen_person *person = &c->person[n];
	unsigned last = person->stint_count - 1, version = day >= c->plan_day;
	const struct gen_stint *stint =
		&person->stints[day >= person->stints[last].from_day ? last : 0];
	unsigned city = stint->team == MOVING_TEAM && day >= c->move_day
	                        ? MOVING_TO
	                        : teams[stint->team].parent;
	unsigned units[] = { stint->team, GEN_TEAMS + city,
		             GEN_TEAMS + GEN_CITIES + cities[city].parent };
	struct gen_seat seat = {
		.payee_id = person->id,
		.payee = person->scope,
		.rate_ppm = rates_ppm[version][stint->level - 1][stint->rating == 'A'],
		.plan_version = (int)version + 1,
	};

	for (unsigned i = 0; i < COUNT(units); i++) {
		seat.units[i] = c->units[units[i]];
		seat.boards[i] = seat_scope(c, person, units[i]);
	}
	return seat;
}

/* ---- the reference file ----------------------------------------------------------- */

static void put_named(const struct named *items, unsigned count, const char *kind, struct buf *out)
{
	for (unsigned i = 0; i < count; i++)
		buf_printf(out, "{\"kind\": \"%s\", \"%s_id\": \"%s\", \"name\": \"%s\"},\n", kind,
		           kind, items[i].id, items[i].name);
}

static void put_date(const struct gen_company *c, const char *name, unsigned day, struct buf *out)
{
	char text[10];

	date_format(c->books->first_day + (int32_t)day, text);
	buf_printf(out, ", \"%s\": \"%.*s\"", name, 10, text);
}

static void put_unit(const struct gen_company *c, const char *kind, const struct named *unit,
                     const char *parent, unsigned from_day, unsigned to_day, struct buf *out)
{
	buf_printf(out, "{\"kind\": \"%s\", \"unit_id\": \"%s\", \"name\": \"%s\"", kind, unit->id,
	           unit->name);
	if (parent)
		buf_printf(out, ", \"parent_id\": \"%s\"", parent);
	if (from_day)
		put_date(c, "valid_from", from_day, out);
	if (to_day)
		put_date(c, "valid_to", to_day, out);
	buf_put_lit(out, "},\n");
}

static void put_units(const struct gen_company *c, struct buf *out)
{
	for (unsigned i = 0; i < GEN_REGIONS; i++)
		put_unit(c, "region", &regions[i], NULL, 0, 0, out);
	for (unsigned i = 0; i < GEN_CITIES; i++)
		put_unit(c, "city", &cities[i], regions[cities[i].parent].id, 0, 0, out);
	for (unsigned i = 0; i < GEN_TEAMS; i++)
		put_unit(c, "team", &teams[i], cities[teams[i].parent].id, 0,
		         i == MOVING_TEAM ? c->move_day : 0, out);
	put_unit(c, "team", &teams[MOVING_TEAM], cities[MOVING_TO].id, c->move_day, 0, out);
}

static void put_people(const struct gen_company *c, struct buf *out)
{
	for (unsigned i = 0; i < c->people; i++) {
		const struct gen_person *person = &c->person[i];

		for (unsigned s = 0; s < person->stint_count; s++) {
			const struct gen_stint *stint = &person->stints[s];

			buf_printf(out,
			           "{\"kind\": \"person\", \"payee_id\": \"%s\", \"name\": \"%s\", "
			           "\"team_id\": \"%s\", \"level\": %d, \"rating\": \"%c\"",
			           person->id, person->name, teams[stint->team].id, stint->level,
			           stint->rating);
			if (s > 0)
				put_date(c, "valid_from", stint->from_day, out);
			else if (person->stint_count > 1)
				put_date(c, "valid_to", person->stints[1].from_day, out);
			buf_put_lit(out, "},\n");
		}
	}
	buf_printf(out,
	           "{\"kind\": \"person\", \"payee_id\": \"" GEN_UNPAID
	           "\", \"team_id\": \"%s\", \"level\": 9},\n",
	           teams[0].id);
}

static void put_plan(const struct gen_company *c, unsigned version, struct buf *out)
{
	buf_printf(out, "{\"kind\": \"plan\", \"plan_id\": \"personal\", \"version\": %u",
	           version + 1);
	put_date(c, version ? "valid_from" : "valid_to", c->plan_day, out);
	buf_put_lit(out, ", \"rows\": [");
	for (unsigned level = 0; level < 3; level++)
		buf_printf(out,
		           "%s\n {\"level\": %u, \"rating\": \"A\", \"rate_ppm\": %d},"
		           "\n {\"level\": %u, \"rate_ppm\": %d}",
		           level ? "," : "", level + 1, (int)rates_ppm[version][level][1],
		           level + 1, (int)rates_ppm[version][level][0]);
	buf_put_lit(out, "]}");
}

void gen_company_write(const struct gen_company *c, struct buf *out)
{
	buf_put_lit(out, "[\n{\"kind\": \"company\", \"company_id\": \"all\", \"name\": "
	                 "\"\u4e91\u6816\u5bb6\u5c45\u6709\u9650\u516c\u53f8\", "
	                 "\"timezone\": \"Asia/Shanghai\", \"currency\": \"CNY\",\n"
	                 " \"periods\": [\"day\", \"month\", \"quarter\", \"year\"],\n"
	                 " \"boards\": {\"measures\": [\"collected\", \"commission\"], "
	                 "\"periods\": [\"month\", \"quarter\"]}},\n");
	put_units(c, out);
	put_people(c, out);
	put_named(channels, GEN_CHANNELS, "channel", out);
	put_named(partners, GEN_PARTNERS, "partner", out);
	put_named(projects, GEN_PROJECTS, "project", out);
	for (unsigned i = 0; i < GEN_PRODUCTS; i++)
		buf_printf(out,
		           "{\"kind\": \"product\", \"product_id\": \"%s\", \"name\": \"%s\"},\n",
		           products[i].id, products[i].name);
	for (unsigned version = 0; version < 2; version++) {
		put_plan(c, version, out);
		buf_put(out, version ? STR("\n]\n") : STR(",\n"));
	}
}

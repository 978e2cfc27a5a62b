/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the page, put into the binary at build (cmake/embed.py): a browser
 * needs nothing but this server.
 */
#ifndef TALLY_DASHBOARD_PAGE_H
#define TALLY_DASHBOARD_PAGE_H

#include "common/base/str.h"

extern const char page_index_html[], page_style_css[], page_app_js[], page_words_js[],
	page_format_js[], page_chart_js[], page_source_js[], page_views_js[], page_redrive_js[],
	page_contract_css[];
extern const size_t page_index_html_len, page_style_css_len, page_app_js_len, page_words_js_len,
	page_format_js_len, page_chart_js_len, page_source_js_len, page_views_js_len,
	page_redrive_js_len, page_contract_css_len;

struct page_file {
	const char *path; /* NULL ends the list */
	const char *content_type;
	const char *bytes;
	const size_t *len;
};

extern const struct page_file page_files[];
/* The contract as a page and as the files of schemas/, made by schemas/contract.py at build. */
extern const struct page_file contract_files[];

#endif

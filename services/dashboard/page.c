/* SPDX-License-Identifier: Apache-2.0 */
#include "services/dashboard/page.h"

#define SCRIPT "text/javascript; charset=utf-8"
#define FILE_OF(path, type, name)                           \
	{                                                   \
		path, type, page_##name, &page_##name##_len \
	}

const struct page_file page_files[] = {
	FILE_OF("/", "text/html; charset=utf-8", index_html),
	FILE_OF("/style.css", "text/css; charset=utf-8", style_css),
	FILE_OF("/app.js", SCRIPT, app_js),
	FILE_OF("/words.js", SCRIPT, words_js),
	FILE_OF("/format.js", SCRIPT, format_js),
	FILE_OF("/chart.js", SCRIPT, chart_js),
	FILE_OF("/source.js", SCRIPT, source_js),
	FILE_OF("/views.js", SCRIPT, views_js),
	FILE_OF("/redrive.js", SCRIPT, redrive_js),
	FILE_OF("/contract.css", "text/css; charset=utf-8", contract_css),
	{ .path = NULL },
};

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each law of tidy.py sees what breaks it, and lets pass what keeps it."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import tidy  # noqa: E402

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
HEADER = (SPDX + "/*\n * Things, by value.\n */\n#ifndef TALLY_DOMAIN_THING_H\n"
          "#define TALLY_DOMAIN_THING_H\n#endif\n")
LONG = "static int f(void)\n{\n" + "\tg();\n" * 70 + "}\n"
SHORT = "static int f(void)\n{\n" + "\tg();\n" * 67 + "}\n"
FOLD, DOMAIN = "services/orders/orders.c", "common/domain/thing.c"

# law, path, what breaks it, what keeps it
CASES = [
    ("columns", DOMAIN, "\t" + "x" * 97 + "\n", "\t" + "x" * 96 + "\n"),
    ("white space", DOMAIN, "int a; \n", "int a;\n"),
    ("white space", DOMAIN, "int f(void)\n{\n    return 1;\n}\n", "int f(int a,\n      int b)\n"),
    ("white space", DOMAIN, "int a;", "int a;\n"),
    ("ascii", DOMAIN, "/* caf\u00e9 */\n", "/* coffee */\n"),
    ("function length", DOMAIN, LONG, SHORT),
    ("arrows", DOMAIN, '#include "common/codec/record.h"\n', '#include "common/base/str.h"\n'),
    ("arrows", FOLD, '#include "common/runtime/shard.h"\n', '#include "common/domain/money.h"\n'),
    ("arrows", "common/runtime/a.c", '#include "common/host/config.h"\n', '#include "events.h"\n'),
    ("folds alone", FOLD, '#include "services/leads/leads.h"\n',
     '#include "services/orders/crediting.h"\n'),
    ("outside libraries", "common/runtime/a.c", "#include <librdkafka/rdkafka.h>\n",
     "#include <string.h>\n"),
    ("outside libraries", "common/host/a.c", "#include <event2/http.h>\n", "#include <time.h>\n"),
    ("outside libraries", FOLD, "#include <hiredis/hiredis.h>\n", "#include <string.h>\n"),
    ("pure headers", FOLD, "#include <time.h>\n", "#include <stdint.h>\n"),
    ("own header first", DOMAIN, '#include <string.h>\n#include "common/domain/thing.h"\n',
     '#include "common/domain/thing.h"\n#include <string.h>\n'),
    ("banned calls", DOMAIN, "\tstrcpy(a, b);\n", "\t/* not strcpy() */ copy(a, \"gets(\");\n"),
    ("heap", FOLD, "\tp = malloc(5);\n", "\tp = arena_alloc(a, 5);\n"),
    ("allocations", "common/adapters/a.c", "\tp = strdup(s);\n", "\tp = memory_copy(s);\n"),
    ("reals", FOLD, "\tdouble x;\n", "\tint64_t doubled;\n"),
    ("licence", DOMAIN, "int a;\n", SPDX),
    ("purpose", "common/domain/thing.h", HEADER.replace(" * Things, by value.\n", ""), HEADER),
    ("purpose", "common/domain/thing.h", HEADER.replace("/*\n", "\n/*\n", 1), HEADER),
    ("guard", "common/domain/thing.h", HEADER.replace("THING_H", "OTHER_H"), HEADER),
    ("later", DOMAIN, "/* TO" + "DO: more */\n", "/* more */\n"),
    ("machine paths", "bench/a.sh", "cd /ro" + "ot/x\n", "cd $HOME/x\n"),
    # A break in the open.
    ("reals", FOLD, "\tdouble x;\n", "\t/* tidy: reals: printed only */\n\tdouble x;\n"),
]


def finds(law: str, path: str, text: str) -> bool:
    file = tidy.File(path, text)
    return any(is_about(file) and tidy.break_of(name, file, check)
               for name, is_about, check in tidy.LAWS if name == law)


def main() -> int:
    failed = 0
    for law, path, wrong, right in CASES:
        if not finds(law, path, wrong):
            print(f"{law}: does not see {wrong!r} in {path}")
            failed += 1
        if finds(law, path, right):
            print(f"{law}: objects to {right!r} in {path}")
            failed += 1
    untested = {name for name, _, _ in tidy.LAWS} - {law for law, _, _, _ in CASES}
    for law in sorted(untested):
        print(f"{law}: no case here")
        failed += 1
    print(f"{2 * len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

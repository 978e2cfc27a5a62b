#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ladder's generator gives the same bytes everywhere and always, and so does the oracle.

Measurements of different machines and days compare only because of that. The digests are those of
the reference generator and oracle from which the job was first defined. Needs no server.
"""
from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ladder"))
import generate  # noqa: E402
import oracle  # noqa: E402

PEOPLE = "c9293684ebb929e5938f2579ad2608852a9dfca807e1c68ca2a8f4b70931d8cb"
# (count, seed): events.tsv, the oracle's canonical result
DIGESTS = {
    (1, 1): ("6cde905fc27062c85ab7a07babfbce99f3af068aec4dfeec309577b03bef0f1d",
             "ffac209c1b9af1f8acf5ad78334273af48516eccf9edec4708c43bdfe8e675c6"),
    (2000, 1): ("f37c933b1945f8ae04b99aa0a51a9f2dd6babbac9e3a926a2f5de137a90733dc",
                "a07ca685eae126f423b9cec0af11e1a297efe84b670f0a5b7799e71b05a4b482"),
    (20000, 7): ("5bc189a62bcaf9da8bba2999bec092e34db908015383b81c0639b6879a5fba7e",
                 "1a33dda96d23ec21e3f67e4af3b84ef49c89fb76c8db22be68361ba120c61e7a"),
}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        people_file, events_file = Path(scratch, "people.json"), Path(scratch, "events.tsv")
        people = generate.write_people(str(people_file))
        found = {"people.json": (sha256(people_file), PEOPLE)}
        for (count, seed), (events, result) in DIGESTS.items():
            generate.write_events(str(events_file), count, seed, people)
            expected = oracle.compute(json.loads(people_file.read_text()), [str(events_file)])
            found[f"events of {count}, seed {seed}"] = (sha256(events_file), events)
            found[f"result of {count}, seed {seed}"] = (expected.digest(), result)
    for what, (digest, wanted) in found.items():
        if digest != wanted:
            wrong += 1
            print(f"{what}: {digest}, should be {wanted}")
    print(f"{len(found) - wrong} digests as they should be, {wrong} not")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

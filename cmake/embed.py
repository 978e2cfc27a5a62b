#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a file into a C array: embed.py FILE NAME HEADER OUT.

OUT defines `const char NAME[]` and `const size_t NAME_len`, as HEADER declares them."""
import sys


def c_bytes(data):
    """What stands between the braces of an array of char."""
    lines = [", ".join(str(b if b < 128 else b - 256) for b in data[i:i + 20])
             for i in range(0, len(data), 20)]
    return "\t" + ",\n\t".join(lines) + ","


def main():
    source, name, header, out = sys.argv[1:5]
    with open(source, "rb") as file:
        data = file.read()
    text = (f"/* Made by cmake/embed.py from {source.rsplit('/', 1)[-1]}; do not edit. */\n"
            f'#include "{header}"\n\n'
            f"const size_t {name}_len = {len(data)};\n"
            f"const char {name}[] = {{\n{c_bytes(data)}\n}};\n")
    with open(out, "w", encoding="ascii") as file:
        file.write(text)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do two strangers agree with our decoder about the same bytes?

jansson says whether a message is JSON, python3-jsonschema whether it is a CloudEvent whose data
fits the schema of its type. Messages are the examples and counter-examples of schemas/, changed at
random by structure and by byte; the seed is printed (TALLY_SEED sets it, TALLY_FUZZ_RUNS how many).
A difference that is not in the list of known ones below fails.

Known differences, all documented in schemas/README.md (where the engine is stricter): lengths count
bytes; an integer is written without fraction and exponent and fits 64 bits; null counts as absent;
nesting ends at 32; an instant lies in the years 0 to 9999 of UTC. And of jansson: it refuses
numbers beyond its own range, a NUL in a key, nests deeper, and passes over a NUL behind a number
(Python's json does not).
"""
import copy
import json
import os
import random
import re
import struct
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'schemas'))

from jsonschema import (Draft202012Validator, FormatChecker, RefResolver,  # noqa: E402
                        ValidationError, validators)
from test_schemas import FILES, STORE, is_date, is_date_time  # noqa: E402

VERDICTS = os.path.join(os.environ.get('TALLY_TEST_BUILD', 'build/dev'), 'tests/fuzz/verdicts')
RUNS = int(os.environ.get('TALLY_FUZZ_RUNS', '4000'))
SEED = int(os.environ.get('TALLY_SEED', random.randrange(1 << 32)))
DEPTH_MOST = 32
EVENTS = {os.path.basename(path)[:-len('.schema.json')]: document
          for path, document in FILES.items()
          if path.split('/')[0] in ('orders', 'control', 'reference', 'out')}
POOL = (None, True, False, 0, 1, -1, 2**63 - 1, 2**63, -2**63, -2**63 - 1, 10**15, 10**15 + 1, 1.0,
        1.5, 1e3, '', ' ', 'x', ' x', 'x ', 'x\n', '\u00e9' * 64, '\u00e9' * 65, 'x' * 128,
        'x' * 129, '\0', '\x7f', 'CNY', 'cny', 'A1', '2026-03-05', '2026-02-29',
        '2026-03-05T08:00:00Z', '2026-03-05T08:00:60Z', '2026-03-05T08:00:00',
        '2026-03-05t08:00:00.123456789+14:00',
        '0000-01-01T00:00:00+01:00', '9999-12-31T23:59:59-01:00', '2026-03-05T24:00:00Z',
        [], [1], ['a'], [None], {}, {'a': 1}, [[]] * 3)


# ---- the strangers' verdict

def in_bytes(compare):
    def check(_, limit, instance, __):
        if isinstance(instance, str) and compare(len(instance.encode()), limit):
            yield ValidationError('length')
    return check


def pattern(_, expression, instance, __):
    if isinstance(instance, str) and not re.search(expression.replace('$', r'\Z'), instance):
        yield ValidationError('pattern')


FORMATS = FormatChecker(formats=())
FORMATS.checks('date')(is_date)


@FORMATS.checks('date-time')
def is_instant(value):
    if not isinstance(value, str) or not is_date_time(value):
        return not isinstance(value, str)
    hour, minute = int(value[11:13]), int(value[14:16])
    sign, off_hour, off_minute = re.search(r'(?:([+-])(\d\d):(\d\d))?$', value).groups('0')
    offset = int(off_hour) * 60 + int(off_minute)
    utc = hour * 60 + minute + (offset if sign == '-' else -offset)
    return not (value[:10] == '0000-01-01' and utc < 0
                or value[:10] == '9999-12-31' and utc >= 24 * 60)


def is_integer(_, value):
    return isinstance(value, int) and not isinstance(value, bool) and -2**63 <= value < 2**63


Strict = validators.extend(
    Draft202012Validator,
    {'minLength': in_bytes(lambda have, want: have < want),
     'maxLength': in_bytes(lambda have, want: have > want), 'pattern': pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine('integer', is_integer))


# Without its $schema, since what is referred to would be judged by the validator that it names.
SCHEMAS = {name: {key: part for key, part in document.items() if key != '$schema'}
           for name, document in STORE.items()}


def fits(document, value):
    document = SCHEMAS[document['$id']]
    resolver = RefResolver(document['$id'], document, store=SCHEMAS)
    return Strict(document, resolver=resolver, format_checker=FORMATS).is_valid(value)


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(v) for name, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def depth(value):
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def is_event(value):
    """A whole CloudEvent of a known type, by the schemas."""
    if not isinstance(value, dict) or depth(value) > DEPTH_MOST:
        return False
    value = without_nulls(value)
    kind = value.get('datacontenttype', 'application/json')
    envelope = FILES['envelope.schema.json']
    if 'data_base64' in value or not fits(envelope, value) or value['type'] not in EVENTS:
        return False
    if not re.fullmatch(r'(?is)(application/json|text/json|[^;]*\+json) *(;.*)?', kind):
        return False
    return 'data' in value and fits(EVENTS[value['type']], value['data'])


def expected(message, jansson):
    """True, False, or None: a known difference, so nothing is expected."""
    if jansson != 'ok':
        beyond_jansson = 'too big' in jansson or 'overflow' in jansson or 'NUL byte in' in jansson
        return None if beyond_jansson or 'maximum parsing depth' in jansson else False
    try:
        return is_event(json.loads(message))
    except ValueError:
        return False


# ---- messages

def whole(name, data):
    return {'specversion': '1.0', 'id': 'e-1', 'source': '/shop', 'type': name,
            'subject': 'o-1', 'time': '2026-03-05T08:00:00Z', 'data': data}


def seeds():
    for name, document in EVENTS.items():
        for data in document['examples']:
            yield whole(name, data)
        for case in document['x-counter-examples']:
            yield whole(name, case['value'])


def places(value, found):
    """Every container with one of its keys or positions."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], (dict, list)):
            places(value[key], found)
    return found


def pick(rng):
    return copy.deepcopy(rng.choice(POOL))  # what is put in may be changed further


def change_structure(rng, value):
    container, key = rng.choice(places(value, []))
    how = rng.randrange(5)
    if how == 0:
        del container[key]
    elif how == 1 and isinstance(container, dict):
        container[rng.choice(('unknown', 'amount', 'data', 'time', '\u00e9'))] = pick(rng)
    elif how == 2 and isinstance(container, list):
        container.extend([container[key]] * rng.choice((1, 20, 70)))
    elif how == 3 and isinstance(container[key], int):
        container[key] += rng.choice((-1, 1, 10**6))
    else:
        container[key] = pick(rng)


def change_bytes(rng, text):
    at = rng.randrange(len(text))
    piece = rng.choice((b'', b'"', b',', b'\\u0000', b'\\ud800', b'\xff', b'\xc3\xa9', b'\0',
                        b'1e9', b'-0', b'00', b'{}', b'[' * 40, b'NaN', b' ', b'\n', b'/**/',
                        b'\xef\xbb\xbf', b'"id":"x",', bytes((rng.randrange(256),))))
    return text[:at] + piece + text[at + rng.randrange(3):]


def make(rng, values):
    value = json.loads(json.dumps(rng.choice(values)))
    for _ in range(rng.randrange(3)):
        change_structure(rng, value)
        if not value:
            break
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode(errors='surrogatepass')
    for _ in range(rng.choice((0, 0, 1, 2))):
        text = change_bytes(rng, text)
        if not text:
            break
    return text


def verdicts(messages):
    data = b''.join(struct.pack('<I', len(m)) + m for m in messages)
    run = subprocess.run([VERDICTS], input=data, capture_output=True, check=True)
    lines = run.stdout.decode(errors='replace').split('\n')[:-1]
    assert len(lines) == len(messages), (len(lines), len(messages), run.stderr)
    return [line.split('\t') for line in lines]


def main():
    rng = random.Random(SEED)
    values = list(seeds())
    messages = [json.dumps(value).encode() for value in values]
    messages += [make(rng, values) for _ in range(RUNS)]
    bad, taken, passed_over = 0, 0, 0
    for message, (reason, path, jansson) in zip(messages, verdicts(messages)):
        wanted = expected(message, jansson)
        taken += reason == 'ok'
        passed_over += wanted is None
        if wanted is not None and wanted != (reason == 'ok'):
            bad += 1
            print(f'ours: {reason} {path}; theirs: {"ok" if wanted else "refused"} '
                  f'({jansson}): {message!r}')
    print(f'seed {SEED}: {len(messages)} messages, {taken} taken, {passed_over} passed over, '
          f'{bad} differences')
    # Without enough of both verdicts this would prove nothing.
    return 1 if bad or not RUNS // 20 < taken < RUNS or passed_over > RUNS // 10 else 0


if __name__ == '__main__':
    sys.exit(main())

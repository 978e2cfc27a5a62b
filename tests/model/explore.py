#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seeded explorer of the commit protocol as it is built (DESIGN section 4, common/runtime).

Several processes, several shards, one Kafka, one Redis. A process folds batch n+1 of a shard while
batch n is in a transaction that carries all its shards. There is no lock at P3: the group's
metadata is fetched first, then the claim epochs are compared, then the offsets are sent; member and
generation are checked by the group, ownership is not. The fold remembers no ids, so whatever is
folded twice or not at all shows.

The log has gaps, where control markers of others' transactions lie; a batch may end in one. A
control record moves the shard to the next logic version, under which the fold gives other outputs:
the version stands beside the output number in K's metadata and beside R in Redis.

Some records kill whoever folds them (poison). After a death the next owner goes in small steps: it
writes which offsets it tries, folds them, takes that back, commits, then tries the next; a death
in between narrows the range down, and at three deaths of one offset alone its record is skipped,
which K's metadata remembers.

Sums go out later than the batches they come from: a window gathers them, and now and then a batch
carries all of it. K's metadata says how far sums were told, and Redis is never flushed beyond, so a
replay from R gathers again what was not told, and only that.

Each step the seed picks a process and what it does next, or a fault: crash, stop and go on,
expulsion, a partition wanted elsewhere, transactions timed out, Redis rolled back, emptied or
without R, an error inside the flush, replies and commits that are lost or come late.
Afterwards all comes to rest, and state, outputs, their order and their numbers must be those of one
plain pass over the input.

usage: explore.py [--runs N] [--first SEED] [--jobs N] [--mutants] [MUTANT...]
A mutant removes one safety; each must be caught. `--mutants` tries all of them, or those that are
named, and fails where one is not caught. Change this model first, then the code.
"""
import argparse
import multiprocessing
import os
import random
import sys
from collections import Counter

SHARDS, EVENTS, ENTITIES, PROCESSES = 2, 20, 2, 3
DANGER, PARTS, DEATHS = 12, 4, 3  # offsets in danger after a death, its steps, deaths of a poison
FAULT_STEPS, REST_STEPS = 900, 12000
ABSENT, TORN, EMPTY = -1, -2, -3  # R; otherwise an offset. EMPTY: wiped, nothing of it is left
GAP, LOGIC = 'gap', 'logic'       # in the log, beside events
STEPS = (None, 8, 5)              # of the fold, by logic version
FIRST = (0, 1)                    # output number and logic version of a new shard

MUTANTS = {
    'flush-without-compare': 'Redis takes a flush whatever R is',
    'load-without-compare': 'a cold entity is loaded whatever R is',
    'torn-unmarked': 'an error inside the flush leaves R as it was',
    'keep-after-refusal': 'after a refused flush the shard goes on with its cache',
    'clear-all': 'the answer of a flush clears what became dirty meanwhile',
    'flush-beyond': 'state is flushed before its outputs are committed',
    'cursor-while-pending': 'K is read while a transaction is pending',
    'no-own-wait': 'A1 does not wait for an own transaction that carries the shard',
    'no-suppression': 'outputs below K are sent again',
    'no-cut': 'a batch goes across K',
    'number-from-redis': 'output numbers go on from Redis, not from K',
    'gap-across-cursor': 'a gap carries a replayed batch across K',
    'logic-from-cursor': 'a replay from R folds under the logic version of K',
    'rebuild-under-new-logic': 'a rebuild begins under the logic version of K',
    'no-generation': 'offsets are taken from any member',
    'no-epochs': 'P3 does not compare claim epochs',
    'epochs-before-metadata': 'P3 compares epochs, then fetches the group metadata',
    'unknown-is-committed': 'a commit of unknown outcome is taken for done',
    'unknown-is-aborted': 'a commit of unknown outcome is sent again',
    'no-idle-check': 'nobody looks whether R is where it was left',
    'offsets-outside': 'K moves when the offsets are sent, not at the commit',
    'no-turns': 'the shards of a process try at the same time, so one is charged with the other',
    'skipped-forgotten': 'what is skipped as poison is not in K\'s metadata',
    'told-forgotten': 'a replay takes all sums below K for told',
    'told-again': 'a replay gathers the sums of all it folds',
    'flush-untold': 'state is flushed whose sums are not told',
    'absent-is-empty': 'a first flush is taken where R is gone but the old entities are not',
}

# Seeds that showed a mutant; after a change of the model `--mutants` finds new ones. Of the last
# three it is one in many thousands: `--mutants --runs 50000 NAME`.
CAUGHT_BY = {
    'load-without-compare': 515, 'keep-after-refusal': 267, 'no-own-wait': 1321,
    'rebuild-under-new-logic': 121, 'no-generation': 519, 'no-epochs': 102,
    'unknown-is-committed': 74, 'no-idle-check': 171,
    'epochs-before-metadata': 5343, 'no-turns': 11907, 'absent-is-empty': 3360,
}


def fold(entity, amount, logic):
    """(new entity, its alerts): an alert for each eight (later each five) of the total."""
    total, fired = entity
    total += amount
    if total // STEPS[logic] <= fired:
        return (total, fired), ()
    return (total, fired + 1), (('alert', total),)


def make_log(rng):
    """What lies at each offset: an event (entity, amount), the order LOGIC, or a GAP."""
    log = [(rng.randrange(ENTITIES), rng.randint(-3, 9)) if rng.random() < 0.85 else GAP
           for _ in range(EVENTS)]
    if rng.random() < 0.5:
        log[rng.randrange(EVENTS)] = LOGIC
    return log


def oracle(log, skipped):
    state, outputs, logic = [(0, 0)] * ENTITIES, [], 1
    for offset, record in enumerate(log):
        if record is GAP:
            continue
        if offset in skipped:
            outputs.append(('poison', offset))
        elif record is LOGIC:
            logic = 2
        else:
            entity, amount = record
            state[entity], alerts = fold(state[entity], amount, logic)
            outputs += [(entity, *alert) for alert in alerts]
    return tuple(state), outputs


class Died(Exception):
    """A process folded what kills."""


class Transaction:
    """state: open, committed, aborted. Until it is marked, readers of its offsets wait."""

    def __init__(self, producer):
        self.producer, self.state, self.offsets, self.log = producer, 'open', {}, []


class World:
    def __init__(self, seed, mutants):
        self.rng = rng = random.Random(seed)
        self.mutants = mutants
        self.input = [make_log(rng) for _ in range(SHARDS)]
        self.killer = [rng.choice((None, None, rng.randrange(EVENTS))) for _ in range(SHARDS)]
        # Redis, a shard: R, entities, output number and logic version, who claimed it; offsets
        # being tried, those of the last death that counted, how often
        self.redis = [NOTHING] * SHARDS
        self.history = [list(self.redis)]
        # K; at K: number and version, what is skipped, how far sums are told
        self.cursor = [(0, FIRST, (), 0)] * SHARDS
        self.passed = False              # an R above its K was found
        self.log = []                    # (transaction, shard, number, output)
        self.transactions = []           # open, or not marked yet
        self.fenced = set()              # producers
        self.late = []                   # calls of the dead, and commits, still on their way
        self.generation, self.members, self.memberships = 0, {}, 0
        self.owner, self.target = [None] * SHARDS, [None] * SHARDS
        self.processes = [None] * PROCESSES
        self.producers = 0
        self.faults, self.accidents = True, 0

    def chance(self, per_cent):
        return self.faults and self.rng.random() * 100 < per_cent

    # ---- Redis

    def put(self, shard, value):
        self.redis[shard] = value
        self.history.append(list(self.redis))
        del self.history[:-8]

    def flush(self, call):
        shard, expect, cursor, dirty, standing = call
        found, entities, before, *kept = self.redis[shard]
        matches = found == expect or (found == ABSENT and expect == EMPTY
                                      and 'absent-is-empty' in self.mutants)
        if not matches and 'flush-without-compare' not in self.mutants:
            return 'refused'
        entities = list(entities)
        if self.chance(3):  # an error inside the function, after some writes
            for entity in sorted(dirty)[:self.rng.randint(0, len(dirty))]:
                entities[entity] = dirty[entity]
            left = found if 'torn-unmarked' in self.mutants else TORN
            self.put(shard, (left, tuple(entities), before, *kept))
            return 'unknown'
        for entity, value in dirty.items():
            entities[entity] = value
        self.put(shard, (cursor, tuple(entities), standing, *kept))
        return 'ok'

    def keep(self, shard, *kept):
        self.put(shard, (*self.redis[shard][:3], *kept))

    def claim(self, shard, process):
        """Who was there, and whether it died as one before it: with R where it still is."""
        claimer, trying, tried, tries, fell = self.redis[shard][3:]
        died = claimer not in (None, *process.producers)
        found = self.redis[shard][0]
        again = died and (trying or fell == found)
        if died and trying:
            tries = tries + 1 if tried == trying else 1
            tried = trying
        self.keep(shard, process.producer, None, tried, tries, found if died else fell)
        return claimer, again

    def try_range(self, shard, process, trying):
        """None: no more. False: the shard is another's."""
        claimer, _, tried, tries, fell = self.redis[shard][3:]
        if claimer not in process.producers:
            return False
        self.keep(shard, claimer, trying, tried, tries, fell)
        return True

    # ---- Kafka: transactions

    def pending(self, shard):
        return any(shard in t.offsets for t in self.transactions)

    def end(self, transaction, state):
        if transaction.state == 'open':
            transaction.state = state

    def mark(self, transaction):
        """The markers are written: only now K moves and the log becomes readable."""
        if transaction.state == 'committed':
            self.cursor_moves(transaction.offsets)
        self.transactions.remove(transaction)

    def cursor_moves(self, offsets):
        for shard, value in offsets.items():
            self.cursor[shard] = value

    def mark_some(self):
        ended = [t for t in self.transactions if t.state != 'open']
        if ended:
            self.mark(self.rng.choice(ended))

    def time_out(self):
        for transaction in self.transactions:
            if transaction.state == 'open':
                self.fenced.add(transaction.producer)
                self.end(transaction, 'aborted')

    def arrive_late(self):
        if not self.late:
            return
        kind, call = self.late.pop(self.rng.randrange(len(self.late)))
        if kind == 'flush':
            self.flush(call)
        elif call.producer not in self.fenced:
            self.end(call, 'committed')

    # ---- Kafka: the group

    def hand_out(self):
        self.generation += 1
        for shard in range(SHARDS):
            if self.target[shard] not in self.members:
                self.target[shard] = self.rng.choice(list(self.members)) if self.members else None
            if self.owner[shard] not in self.members:
                self.owner[shard] = self.target[shard]

    def join(self, process):
        self.memberships += 1
        process.member = self.memberships
        self.members[process.member] = process
        self.hand_out()

    def expel(self, process):
        if self.members.pop(process.member, None):
            self.hand_out()

    def want_elsewhere(self):
        if self.members:
            self.target[self.rng.randrange(SHARDS)] = self.rng.choice(list(self.members))
            self.hand_out()

    def release(self, process, shard):
        if self.owner[shard] == process.member:
            self.owner[shard] = None
            self.hand_out()


NOTHING = (ABSENT, ((0, 0),) * ENTITIES, FIRST, None, None, None, 0, None)


class Batch:
    def __init__(self, shard, end, outputs, changed):
        self.shard, self.epoch, self.end = shard, shard.epoch, end
        self.outputs, self.changed = outputs, changed
        self.standing = shard.number, shard.logic
        self.skipped, self.told = shard.skipped, shard.told


class Shard:
    """state: wait, fence, cursor, run, stop. settled: what may be flushed reaches so far. told: the
    sums of all below went out; window: those of the rest; untold: settled changes of the rest."""

    def __init__(self, index):
        self.index, self.epoch, self.state, self.call = index, 0, 'wait', None
        self.danger = None  # offsets to be tried step by step

    def set_danger(self, tried, tries):
        if tried and tried[1] > self.K:
            self.danger = (max(tried[0], self.K), tried[1])
        elif self.died:
            self.danger = (self.K, min(EVENTS, self.K + DANGER))
        if (tried and tries >= DEATHS and tried[1] == tried[0] + 1 and tried[0] >= self.K
                and tried[0] not in self.skipped):
            self.skipped += (tried[0],)

    def start(self, cursor, world):
        found, _, (number, self.logic), _, _, *tried, _ = world.redis[self.index]
        self.K, (K_number, K_logic), self.skipped, self.told = cursor
        world.passed |= found > self.K
        if 'told-forgotten' in world.mutants:
            self.told = self.K
        self.step = 0
        self.set_danger(*tried)
        if found < 0:  # rebuild: wiped, then folded from the origin; the first flush brings R
            world.put(self.index,
                      (EMPTY, ((0, 0),) * ENTITIES, FIRST, *world.redis[self.index][3:]))
            number, self.logic = FIRST
            if 'rebuild-under-new-logic' in world.mutants:
                self.logic = K_logic
            found = EMPTY
        elif 'logic-from-cursor' in world.mutants:
            self.logic = K_logic
        self.R, self.position, self.settled = found, max(found, 0), max(found, 0)
        self.number = number if 'number-from-redis' in world.mutants else K_number
        self.settled_standing = self.number, self.logic
        self.cache, self.dirty, self.state = {}, {}, 'run'
        self.window, self.untold = 0, []
        if 'told-again' in world.mutants:
            self.told = self.settled

    def settle(self, end, changed, told, standing, world):
        """A batch's outputs are out; its state may be flushed once its sums are, too."""
        self.untold.append(changed)
        if told < end and 'flush-untold' not in world.mutants:
            return
        for changes in self.untold:
            self.dirty.update(changes)
        self.untold, self.settled, self.settled_standing = [], end, standing


class Process:
    def __init__(self, world):
        self.world, self.stopped, self.shards = world, False, {}
        self.queue, self.carried = [], []
        self.transaction, self.producer, self.step = None, None, 'closed'
        self.producers = []  # all it ever had
        self.trying = None   # the shard whose turn it is to try
        self.known = (None, None)  # membership and generation as the client knows them
        self.events = []
        world.join(self)

    def turn(self):
        self.world.rng.choice(self.TURNS)(self)

    # ---- the group, seen from here

    def hear(self):
        """The background thread learns of the group's state; the fold thread polls it later."""
        world = self.world
        if self.member not in world.members:
            self.known = (self.member, None)
            self.events = [('lost', None)]
            return
        self.known = (self.member, world.generation)
        for shard in range(SHARDS):
            mine = world.owner[shard] == self.member
            wanted = world.target[shard] != self.member
            if mine and not wanted and shard not in self.shards:
                self.tell('assigned', shard)
            elif mine and wanted and shard in self.shards:
                self.tell('revoked', shard)
            elif mine and wanted and ('assigned', shard) not in self.events:
                world.release(self, shard)

    def tell(self, what, shard):
        if (what, shard) not in self.events:
            self.events.append((what, shard))

    def poll(self):
        if not self.events:
            return
        what, index = self.events[0]
        shard = self.shards.get(index)
        if what == 'lost':
            for lost in self.shards.values():
                self.drop(lost)
                self.world.try_range(lost.index, self, None)  # alive: it was no death
            self.shards, self.events = {}, []
            self.known = (None, None)
            self.world.join(self)
        elif what == 'assigned':
            self.shards[index] = Shard(index)
            self.events.pop(0)
        elif self.let_go(shard):
            self.events.pop(0)

    def let_go(self, shard):
        """Revoked: the transaction ends, the flush is made, then the shard goes."""
        if shard.state == 'run':
            shard.state = 'stop'
            self.queue = [b for b in self.queue if b.shard is not shard]
        if any(b.shard is shard for b in self.carried):
            return False
        if shard.state == 'stop' and shard.call is None and shard.settled > shard.R:
            self.world.flush((shard.index, shard.R, shard.settled, dict(shard.dirty),
                              shard.settled_standing))
        claimer, *kept = self.world.redis[shard.index][3:]
        if shard.state == 'stop' and claimer == self.producer:
            self.world.keep(shard.index, None, *kept)
        self.drop(shard)
        self.world.try_range(shard.index, self, None)
        del self.shards[shard.index]
        self.world.release(self, shard.index)
        return True

    def drop(self, shard):
        shard.epoch += 1
        if self.trying is shard:
            self.trying = None
        self.queue = [b for b in self.queue if b.shard is not shard]
        if shard.call and shard.call[0] == 'sent':
            self.world.late.append(('flush', shard.call[1]))
        shard.call = None

    def restart(self, shard):
        """A1."""
        self.drop(shard)
        shard.state = 'wait'

    # ---- claiming and folding

    def some_shard(self):
        return self.world.rng.choice(list(self.shards.values())) if self.shards else None

    def fold(self):
        shard = self.some_shard()
        if shard is None:
            return
        if shard.state == 'run':
            self.fold_batch(shard)
        elif shard.state != 'stop':
            self.claim(shard)

    def claim(self, shard):
        world, index = self.world, shard.index
        if shard.state == 'wait':
            carried = any(b.shard is shard for b in self.carried)
            if self.producer is None or (carried and 'no-own-wait' not in world.mutants):
                return
            shard.before, shard.died = world.claim(index, self)
            shard.state = 'fence'
        elif shard.state == 'fence':
            if shard.before not in (None, self.producer):
                self.fence(shard.before)
            shard.state = 'cursor'
        elif not world.pending(index) or 'cursor-while-pending' in world.mutants:
            shard.start(world.cursor[index], world)

    def fence(self, producer):
        self.world.fenced.add(producer)
        for transaction in self.world.transactions:
            if transaction.producer == producer:
                self.world.end(transaction, 'aborted')

    def may_load(self, shard):
        found = self.world.redis[shard.index][0]
        under_way = shard.call[1][2] if shard.call else shard.R
        return found in (shard.R, under_way) or 'load-without-compare' in self.world.mutants

    def fold_batch(self, shard):
        world, rng = self.world, self.world.rng
        behind = shard.position < shard.K
        if shard.danger and not behind and not self.may_try(shard):
            return
        if any(b.shard is shard for b in self.queue):
            self.check(shard)
            return
        if shard.position >= EVENTS:
            if shard.told < shard.position and not behind:
                self.fold_records(shard, [], shard.position, False)
            else:
                self.check(shard)
            return
        end = min(EVENTS, shard.position + rng.randint(1, 5))
        if shard.danger and not behind:
            end = min(end, shard.step)
        log = world.input[shard.index]
        if behind and 'no-cut' not in world.mutants:
            end = min(end, shard.K)
        if 'gap-across-cursor' in world.mutants:
            while behind and end < EVENTS and log[end] is GAP:
                end += 1
        records = [(offset, log[offset]) for offset in range(shard.position, end)
                   if log[offset] is not GAP]
        named = {record[0] for _, record in records if record is not LOGIC}
        for entity in named - shard.cache.keys():
            if not self.may_load(shard):
                self.restart(shard)
                return
            shard.cache[entity] = world.redis[shard.index][1][entity]
        self.fold_records(shard, records, end, behind and 'no-suppression' not in world.mutants)

    def may_try(self, shard):
        """One shard at a time; a step is written down first, when all before it is committed, and
        taken back when it is folded."""
        if self.trying not in (None, shard) and 'no-turns' not in self.world.mutants:
            return False
        self.trying = shard
        if shard.position < shard.step:
            return True
        under_way = any(b.shard is shard for b in self.carried)
        if not shard.step and (shard.position != shard.K or under_way):
            return False
        if not shard.step and shard.position >= shard.danger[1]:
            shard.danger, self.trying = None, None
            return True
        size = max(1, (shard.danger[1] - shard.danger[0]) // PARTS)
        until = 0 if shard.step else min(shard.position + size, shard.danger[1])
        trying = (shard.position, until) if until else None
        if self.world.try_range(shard.index, self, trying):
            shard.step = until
        else:
            self.restart(shard)
        return False

    def fold_records(self, shard, records, end, suppressed):
        changed, outputs = {}, []
        for offset, record in records:
            if offset in shard.skipped:
                outputs.append(('poison', offset))
                continue
            if offset == self.world.killer[shard.index]:
                raise Died
            if record is LOGIC:
                shard.logic = 2
                continue
            entity, amount = record
            shard.cache[entity], alerts = fold(shard.cache[entity], amount, shard.logic)
            changed[entity] = shard.cache[entity]
            outputs += [(entity, *alert) for alert in alerts]
            if offset >= shard.told:
                shard.window += amount
        shard.position = end
        if suppressed:
            if 'number-from-redis' in self.world.mutants:
                shard.number += len(outputs)
            shard.settle(end, changed, shard.told, (shard.number, shard.logic), self.world)
        else:
            if not records or self.world.rng.random() < 0.4:
                outputs.append(('block', shard.window))
                shard.window, shard.told = 0, end
            numbered = [(shard.number + 1 + n, o) for n, o in enumerate(outputs)]
            shard.number += len(outputs)
            self.queue.append(Batch(shard, end, numbered, changed))
            if 'flush-beyond' in self.world.mutants:
                shard.settle(end, changed, end, (shard.number, shard.logic), self.world)
        self.evict(shard)

    def evict(self, shard):
        if self.world.rng.random() < 0.4:
            pinned = set(shard.dirty)
            if shard.call:
                pinned |= set(shard.call[1][3])
            for batch in self.queue + self.carried:
                if batch.shard is shard:
                    pinned |= set(batch.changed)
            for changed in shard.untold:
                pinned |= set(changed)
            shard.cache = {e: v for e, v in shard.cache.items() if e in pinned}

    def check(self, shard):
        """An idle owner looks now and then."""
        if ('no-idle-check' not in self.world.mutants and not shard.call
                and self.world.redis[shard.index][0] != shard.R):
            self.restart(shard)

    # ---- publishing

    def publish(self):
        getattr(self, 'publish_' + self.step)()

    def publish_closed(self):
        self.world.producers += 1
        self.producer, self.step = self.world.producers, 'idle'
        self.producers.append(self.producer)

    def publish_idle(self):
        world = self.world
        if not self.queue or any(t.producer == self.producer for t in world.transactions):
            return
        for shard in {batch.shard for batch in self.queue}:
            self.carried.append(next(b for b in self.queue if b.shard is shard))
        self.queue = [b for b in self.queue if b not in self.carried]
        self.transaction = Transaction(self.producer)
        world.transactions.append(self.transaction)
        self.step = 'produce'

    def is_fenced(self):
        return self.producer in self.world.fenced or self.transaction.state != 'open'

    def publish_produce(self):
        if self.is_fenced():
            return self.unknown()
        for batch in self.carried:
            self.world.log += [(self.transaction, batch.shard.index, number, output)
                               for number, output in batch.outputs]
        first_epochs = 'epochs-before-metadata' in self.world.mutants
        self.step = 'epochs' if first_epochs else 'metadata'
        return None

    def publish_metadata(self):
        self.sent_as = self.known
        first_epochs = 'epochs-before-metadata' in self.world.mutants
        self.step = 'offsets' if first_epochs else 'epochs'

    def publish_epochs(self):
        first_epochs = 'epochs-before-metadata' in self.world.mutants
        self.step = 'metadata' if first_epochs else 'offsets'
        if 'no-epochs' not in self.world.mutants and not self.all_current():
            self.step = 'abort'

    def all_current(self):
        return all(b.epoch == b.shard.epoch for b in self.carried)

    def publish_offsets(self):
        world = self.world
        if self.is_fenced():
            return self.unknown()
        current = self.sent_as[0] in world.members and self.sent_as[1] == world.generation
        if (not current and 'no-generation' not in world.mutants) or world.chance(3):
            self.step = 'abort'
            return None
        offsets = {b.shard.index: (b.end, b.standing,
                                   () if 'skipped-forgotten' in world.mutants else b.skipped,
                                   b.told) for b in self.carried}
        self.transaction.offsets = offsets
        if 'offsets-outside' in world.mutants:
            world.cursor_moves(offsets)
        self.step = 'commit'
        return None

    def publish_commit(self):
        world = self.world
        if self.is_fenced():
            return self.unknown()
        lost = world.rng.choice(('answer', 'request', 'late')) if world.chance(9) else None
        if lost in (None, 'answer'):
            world.end(self.transaction, 'committed')
        elif lost == 'late':
            world.late.append(('commit', self.transaction))
        if lost is None or 'unknown-is-committed' in world.mutants:
            return self.committed()
        if 'unknown-is-aborted' in world.mutants:
            return self.aborted()
        return self.unknown()

    def publish_abort(self):
        if self.is_fenced():
            return self.unknown()
        self.world.end(self.transaction, 'aborted')
        return self.aborted()

    def committed(self):
        for batch in self.carried:
            shard = batch.shard
            if batch.epoch == shard.epoch:
                shard.K = batch.end
                shard.settle(batch.end, batch.changed, batch.told, batch.standing, self.world)
        self.carried, self.step = [], 'idle'

    def aborted(self):
        self.queue = [b for b in self.carried if b.epoch == b.shard.epoch] + self.queue
        self.carried, self.step = [], 'idle'

    def unknown(self):
        """A new producer, A1 for all shards."""
        self.carried, self.queue, self.producer, self.step = [], [], None, 'closed'
        for shard in self.shards.values():
            if shard.state != 'stop':
                self.restart(shard)
            else:
                shard.epoch += 1

    # ---- flushing

    def flush(self):
        shard = self.some_shard()
        if shard is None or shard.state != 'run':
            return
        if shard.call is None:
            if shard.settled > shard.R:
                shard.call = ('sent', (shard.index, shard.R, shard.settled, dict(shard.dirty),
                                       shard.settled_standing))
            else:
                self.check(shard)
        elif shard.call[0] == 'sent':
            result = 'unknown' if self.world.chance(4) else self.world.flush(shard.call[1])
            if result == 'ok' and self.world.chance(5):
                result = 'unknown'
            shard.call = (result, shard.call[1])
        else:
            self.flushed(shard, *shard.call)

    def flushed(self, shard, result, call):
        shard.call = None
        if result == 'ok':
            shard.R = call[2]
            gone = call[3]
            shard.dirty = {e: v for e, v in shard.dirty.items() if gone.get(e) != v}
            if 'clear-all' in self.world.mutants:
                shard.dirty = {}
        elif 'keep-after-refusal' in self.world.mutants:
            shard.R = max(self.world.redis[shard.index][0], 0)
        else:
            self.restart(shard)

    TURNS = (hear, poll, fold, fold, fold, publish, publish, publish, publish, flush, flush)


# ---- a run

def turn(world, process):
    try:
        process.turn()
    except Died:
        crash(world, world.processes.index(process))


def crash(world, index):
    process = world.processes[index]
    for shard in process.shards.values():
        if shard.call and shard.call[0] == 'sent' and world.rng.random() < 0.5:
            world.late.append(('flush', shard.call[1]))
    if process.step == 'commit' and world.rng.random() < 0.3:
        world.late.append(('commit', process.transaction))
    world.processes[index] = None
    world.expel(process)


def fault(world):
    rng = world.rng
    x, index = rng.random() * 1000, rng.randrange(PROCESSES)
    process = world.processes[index]
    world.accidents += x < 10 or 60 <= x < 68 or 85 <= x < 90
    if process is None:
        if x < 60:
            world.processes[index] = Process(world)
    elif x < 5:
        crash(world, index)
    elif x < 19:
        process.stopped = True
        if x < 10:
            world.expel(process)
    elif x < 60:
        process.stopped = False
    elif x < 68:
        world.expel(process)
    if 70 <= x < 85:
        world.want_elsewhere()
    elif 85 <= x < 90:
        world.redis = list(rng.choice(world.history))
        world.history.append(list(world.redis))
    elif 68 <= x < 70:  # R alone is lost, the entities stay
        shard = rng.randrange(SHARDS)
        world.put(shard, (ABSENT, *world.redis[shard][1:3], *NOTHING[3:]))
    elif 90 <= x < 91.5:
        world.redis = [NOTHING] * SHARDS
        world.history.append(list(world.redis))
    elif 92 <= x < 95:
        world.time_out()
    elif 95 <= x < 115:
        world.arrive_late()


def is_at_rest(world):
    return (not world.transactions and all(r[0] == EVENTS for r in world.redis)
            and all(k[0] == EVENTS for k in world.cursor))


def come_to_rest(world):
    world.faults = False
    for index, process in enumerate(world.processes):
        world.processes[index] = process or Process(world)
        world.processes[index].stopped = False
    calm = 0
    for step in range(REST_STEPS):
        if step % 300 == 299:
            world.time_out()
        if step % 3 == 0:
            world.mark_some()
        if step % 25 == 0:
            world.arrive_late()
            if None in world.owner:
                world.hand_out()
        index = world.rng.randrange(PROCESSES)
        world.processes[index] = world.processes[index] or Process(world)
        turn(world, world.processes[index])
        calm = calm + 1 if is_at_rest(world) else 0
        if calm > 60 and not world.late:
            return


def judge(world):
    wrong = ['passed'] if world.passed else []
    for shard in range(SHARDS):
        skipped = world.cursor[shard][2]
        state, outputs = oracle(world.input[shard], skipped)
        if world.accidents < DEATHS and set(skipped) - {world.killer[shard]}:
            wrong.append('innocent')
        got = [(number, output) for t, s, number, output in world.log
               if s == shard and t.state == 'committed']
        alerts = [output for _, output in got if output[0] != 'block']
        blocks = sum(output[1] for _, output in got if output[0] == 'block')
        if world.redis[shard][0] != EVENTS or world.cursor[shard][0] != EVENTS:
            wrong.append('stall')
        elif world.redis[shard][1] != state:
            wrong.append('state')
        if alerts != outputs:
            wrong.append('order' if Counter(alerts) == Counter(outputs) else
                         'extra' if Counter(alerts) - Counter(outputs) else 'lost')
        if blocks != sum(record[1] for offset, record in enumerate(world.input[shard])
                         if record not in (GAP, LOGIC) and offset not in skipped):
            wrong.append('blocks')
        if [number for number, _ in got] != list(range(1, len(got) + 1)):
            wrong.append('numbers')
    return wrong


def run(seed, mutants=frozenset()):
    """The kinds of what is wrong; empty: all is well."""
    world = World(seed, mutants)
    for index in range(PROCESSES - 1):
        world.processes[index] = Process(world)
    rate = world.rng.choice((0.3, 0.3, 0.04))
    for _ in range(FAULT_STEPS):
        if world.rng.random() < rate:
            fault(world)
        if world.rng.random() < 0.25:
            world.mark_some()
        process = world.rng.choice(world.processes)
        if process and not process.stopped:
            turn(world, process)
    come_to_rest(world)
    return judge(world)


# ---- the command line

def run_range(task):
    first, count, mutants = task
    return [(seed, wrong) for seed in range(first, first + count)
            if (wrong := run(seed, mutants))]


def run_many(pool, first, runs, mutants):
    tasks = [(first + n, min(50, runs - n), mutants) for n in range(0, runs, 50)]
    return [bad for found in pool.imap(run_range, tasks) for bad in found]


def catch(pool, first, most, mutant):
    """A seed that shows the mutant, or None: the one that did it last, a few, then many at once."""
    for seed in (CAUGHT_BY.get(mutant, first), *range(first, first + min(20, most))):
        if wrong := run(seed, frozenset((mutant,))):
            return seed, wrong
    for begin in range(first, first + most, 400):
        bad = run_many(pool, begin, min(400, first + most - begin), frozenset((mutant,)))
        if bad:
            return bad[0]
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--runs', type=int, default=int(os.environ.get('TALLY_MODEL_RUNS', 5000)))
    parser.add_argument('--first', type=int, default=int(os.environ.get('TALLY_SEED', 1)))
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--mutants', action='store_true', help='try all mutants, or those named')
    parser.add_argument('mutant', nargs='*', choices=[[], *MUTANTS], help='run under these')
    args = parser.parse_args()
    failed = 0
    with multiprocessing.Pool(args.jobs) as pool:
        if not args.mutants:
            bad = run_many(pool, args.first, args.runs, frozenset(args.mutant))
            kinds = dict(Counter(kind for _, wrong in bad for kind in set(wrong)))
            print(f'{len(bad)} bad of {args.runs} {kinds}'
                  + (f', first {bad[0][0]}' if bad else ''), flush=True)
            return 1 if bad else 0
        for name, words in MUTANTS.items():
            if args.mutant and name not in args.mutant:
                continue
            found = catch(pool, args.first, args.runs, name)
            failed += found is None
            print(f'{name}: ' + (f'caught by seed {found[0]}: {found[1]}' if found else
                                 f'NOT CAUGHT in {args.runs} runs: {words}'), flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())

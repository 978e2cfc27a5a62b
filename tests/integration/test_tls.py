#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS and passwords: the workers do a small load with a broker and a Redis that demand them.

The authority is made here. The broker's listener takes SASL over TLS only (SCRAM for the workers,
PLAIN for an operator's tallyctl and the dashboard) and grants what docs/SECURITY.md says and
nothing else; so does Redis, which takes TLS with client certificates. Then each thing that can be
wrong is made wrong: what it says must name the cause, /readyz must be 503, and no secret may be in
any log.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import ctl
import ladder as ladders
from rig import ROOT, Place, free_port, program
from rig.redis import Redis
from rig.servers import Broker, RedisServer
from rig.stage import Stage, main, must
from rig.workers import Fleet, Worker
from test_dashboard_redrive import GOOD, Operator
from test_worker_cli import get

EVENTS = 3000
KAFKA_USER, KAFKA_SECRET, PLAIN_SECRET = "tally", "kafka-horse-battery", "plain-horse-battery"
OPERATOR, DASHBOARD, PREFIX = "operator", "dashboard", "tls."
REDIS_USER, REDIS_SECRET, ADMIN_SECRET = "tally", "redis-horse-battery", "admin-horse-battery"
SECRETS = (KAFKA_SECRET, PLAIN_SECRET, REDIS_SECRET, ADMIN_SECRET, "wrong-horse")
WAIT_S = 60.0
EX_UNAVAILABLE, EX_NOPERM = 69, 77


# ---- an authority of our own ---------------------------------------------------------------------

def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def make_authority(folder: Path, name: str) -> None:
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")


def make_certificate(folder: Path, authority: str, name: str, usage: str) -> None:
    (folder / f"{name}.ext").write_text(
        f"subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage={usage}\n")
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr")
    openssl(folder, "x509", "-req", "-days", "2", "-in", f"{name}.csr", "-CA", f"{authority}.pem",
            "-CAkey", f"{authority}.key", "-CAcreateserial", "-extfile", f"{name}.ext",
            "-out", f"{name}.pem")


def make_keys(folder: Path) -> None:
    folder.mkdir()
    make_authority(folder, "ca")
    make_authority(folder, "stranger")
    make_certificate(folder, "ca", "server", "serverAuth")
    make_certificate(folder, "ca", "client", "clientAuth")
    (folder / "keystore.pem").write_text((folder / "server.key").read_text()
                                         + (folder / "server.pem").read_text())
    for name, secret in (("kafka", KAFKA_SECRET), ("plain", PLAIN_SECRET),
                         ("redis", REDIS_SECRET), ("wrong", "wrong-horse")):
        (folder / f"{name}.secret").write_text(secret + "\n")


# ---- servers that demand it ----------------------------------------------------------------------

def start_broker(stage: Stage, keys: Path) -> tuple[Broker, str]:
    """The broker, and its address for those who come with TLS and a password."""
    broker = Broker(stage.folder / "secure-broker")
    broker.port, secure = free_port(), free_port()
    conf, mechanisms = stage.folder / "broker.conf", "org.apache.kafka.common.security"
    ours = f"PLAINTEXT://127.0.0.1:{broker.port}"  # for the test itself
    theirs = f"SECURE://127.0.0.1:{secure}"
    plain = (f'{mechanisms}.plain.PlainLoginModule required '
             f'user_{OPERATOR}="{PLAIN_SECRET}" user_{DASHBOARD}="{PLAIN_SECRET}"')
    conf.write_text(f"""
listeners={ours},{theirs},CONTROLLER://127.0.0.1:{broker.port + 1}
advertised.listeners={ours},{theirs}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config={mechanisms}.scram.ScramLoginModule required;
listener.name.secure.plain.sasl.jaas.config={plain};
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={keys}/keystore.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
""")
    os.environ["BROKER_CONF"] = str(conf)
    try:
        broker.start()
    finally:
        del os.environ["BROKER_CONF"]
    kafka_tool(broker, "kafka.admin.ConfigCommand", "--alter", "--entity-type", "users",
               "--entity-name", KAFKA_USER,
               "--add-config", f"SCRAM-SHA-512=[password={KAFKA_SECRET}]")
    for rights in rights_of_page():
        kafka_tool(broker, "org.apache.kafka.tools.AclCommand", "--add", *rights)
    return broker, f"127.0.0.1:{secure}"


def kafka_tool(broker: Broker, tool: str, *words: str) -> None:
    """One of Kafka's own, as the administrator."""
    library = subprocess.run(["bash", "-c", ". deploy/local/lib.sh; cache_dir"], cwd=ROOT,
                             text=True, capture_output=True, check=True).stdout.strip()
    subprocess.run(["java", "-XX:TieredStopAtLevel=1", "-cp", f"{library}/kafka/lib/*", tool,
                    "--bootstrap-server", broker.address, *words],
                   check=True, capture_output=True, timeout=180)


def rights_of_page() -> list[list[str]]:
    """The rows of docs/SECURITY.md, under our prefix, as words of Kafka's own tool.

    Rows that differ by their resource only are one call.
    """
    page, calls = (ROOT / "docs" / "SECURITY.md").read_text(), {}
    blocks = re.findall(r"^```acl-kafka\n(.*?)^```", page, re.M | re.S)
    must(len(blocks) == 4, f"docs/SECURITY.md has {len(blocks)} tables of rights")
    for row in "".join(blocks).splitlines():
        who, kind, name, *operations = row.split()
        own = kind == "transactional-id" and who == f"User:{KAFKA_USER}"  # the workers'
        full = name if own else PREFIX + name
        pattern = "prefixed" if full.endswith("*") else "literal"
        calls.setdefault((who, kind, pattern, *operations), []).append(full.rstrip("*"))
    return [["--allow-principal", who, "--resource-pattern-type", pattern,
             *(word for name in names for word in (f"--{kind}", name)),
             *(word for operation in operations for word in ("--operation", operation))]
            for (who, kind, pattern, *operations), names in calls.items()]


def acl_rule() -> str:
    """The rule of docs/SECURITY.md, with our password."""
    page = (ROOT / "docs" / "SECURITY.md").read_text()
    found = re.search(rf"^user {REDIS_USER} on >PASSWORD .*$", page, re.M)
    must(found, "docs/SECURITY.md has no rule for the workers")
    assert found
    return found.group().replace("PASSWORD", REDIS_SECRET)


def start_redis(stage: Stage, keys: Path) -> tuple[RedisServer, str]:
    """Redis, and its address for those who come with TLS."""
    server = RedisServer(stage.folder / "secure-redis")
    server.port, secure = free_port(), free_port()
    conf = stage.folder / "redis.conf"
    conf.write_text(f"""
tls-port {secure}
tls-cert-file {keys}/server.pem
tls-key-file {keys}/server.key
tls-ca-cert-file {keys}/ca.pem
tls-auth-clients yes
requirepass {ADMIN_SECRET}
{acl_rule()}
""")
    os.environ["REDIS_CONF"], os.environ["REDISCLI_AUTH"] = str(conf), ADMIN_SECRET
    try:
        server.start()
    finally:
        del os.environ["REDIS_CONF"], os.environ["REDISCLI_AUTH"]
    return server, f"rediss://127.0.0.1:{secure}"


def settings_for(keys: Path, brokers: str, redis_url: str) -> dict[str, str]:
    return {"brokers": brokers, "log.format": "json",
            "kafka.security.protocol": "sasl_ssl", "kafka.sasl.mechanism": "SCRAM-SHA-512",
            "kafka.sasl.username": KAFKA_USER, "kafka.sasl.password.file": f"{keys}/kafka.secret",
            "kafka.ssl.ca.location": f"{keys}/ca.pem",
            "redis.url": redis_url, "redis.username": REDIS_USER,
            "redis.password.file": f"{keys}/redis.secret",
            "redis.tls.ca.file": f"{keys}/ca.pem", "redis.tls.cert.file": f"{keys}/client.pem",
            "redis.tls.key.file": f"{keys}/client.key"}


def config_file(stage: Stage, name: str, settings: dict[str, str]) -> Path:
    path = stage.folder / name
    path.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    return path


# ---- what must work ------------------------------------------------------------------------------

def must_do_a_load(stage: Stage, place: Place, settings: dict[str, str]) -> None:
    """place is how the test itself looks in: without TLS, as the administrator."""
    work = ladders.Ladder(EVENTS)
    ladders.job.prepare(place, work.people, stage.folder)
    with Fleet(place, stage.logs, settings=settings) as fleet:
        with ladders.Sending(place, work, EVENTS) as sending:
            sending.finish()
        fleet.settle(ladders.SETTLE_S)
        fleet.drain()
    for member in fleet.members:
        for line in member.log.read_text().splitlines():
            must(json.loads(line)["worker"] == member.name, f"not a JSON line: {line}")
        must("NOPERM" not in member.log.read_text(), f"the ACL is too tight\n{member.log_tail()}")
    ladders.must_be_exact(stage, place, work, "over TLS, with passwords")


def must_serve_tallyctl(stage: Stage, place: Place, keys: Path, settings: dict[str, str]) -> None:
    """The configuration as a file, and PLAIN."""
    plain = {**settings, "kafka.sasl.mechanism": "PLAIN", "kafka.sasl.username": OPERATOR,
             "kafka.sasl.password.file": f"{keys}/plain.secret", "topic.prefix": place.topic_prefix,
             "group.prefix": place.group_prefix, "redis.prefix": place.redis_prefix}
    file = config_file(stage, "plain.conf", plain)
    company = stage.folder / "reference.json"
    with Redis(place.redis_url) as redis:
        order = min(redis.keys(f"{place.redis_prefix}order:*")).rpartition(":")[2]
    for words in (["topics", "create", "--reference", str(company)], ["topics", "check"],
                  ["publish", str(company)], ["lag"], ["describe"], ["dlq", "list"],
                  ["dlq", "show", "--topic", "orders"], ["dlq", "redrive", "--topic", "orders"],
                  ["logic", "advance", "--worker", "orders", "--to", "1"], ["verify"],
                  ["explain", order], ["repair"]):
        done = tallyctl_with(file, *words)
        must(done.returncode == 0 and "uthoriz" not in done.stderr,
             f"tallyctl {words} as the operator: {done.returncode} {done.stdout}{done.stderr}")
    wrong = {**plain, "kafka.sasl.password.file": f"{keys}/wrong.secret"}
    done = tallyctl_with(config_file(stage, "wrong.conf", wrong), "lag")
    must(done.returncode == EX_UNAVAILABLE and done.stderr.strip(),
         f"tallyctl with a wrong password: {done.returncode} {done.stdout}{done.stderr}")
    wrong = {**plain, "redis.password.file": f"{keys}/wrong.secret"}
    done = tallyctl_with(config_file(stage, "wrong.conf", wrong), "lag")
    must(done.returncode == EX_NOPERM and "WRONGPASS" in done.stderr,
         f"tallyctl with a wrong Redis password: {done.returncode} {done.stdout}{done.stderr}")


def must_serve_the_dashboard(stage: Stage, place: Place, keys: Path,
                             settings: dict[str, str]) -> None:
    """With its own rights it shows a dead letter and sends it back."""
    ctl.send_odd(place, "no event", key="x", partition=0, topic="orders.dlq", headers={
        "tw-reason": "payee_unknown", "tw-path": "", "__dlq.errors.topic": place.topic("orders"),
        "__dlq.errors.partition": "0", "__dlq.errors.offset": "0"})
    operator = Operator(stage, place, **{
        **settings, "kafka.sasl.mechanism": "PLAIN", "kafka.sasl.username": DASHBOARD,
        "kafka.sasl.password.file": f"{keys}/plain.secret"}).start()
    must(operator.counts()["payee_unknown"] == (1, 0), f"refused: {operator.counts()}")
    done = operator.done(dry_run=False, reasons=["payee_unknown"])
    must(done["sent"] == 1, f"{done}")
    must(operator.counts()["payee_unknown"] == (0, 1), f"redriven: {operator.counts()}")
    ctl.eventually(lambda: json.loads(operator.dashboard.get("/api/v1/shards", **GOOD)[2])
                   ["kafka"]["fresh"], "the shards' owners and lag are not granted")
    must(operator.dashboard.drain() == 0, "drained")
    stage.say("the dashboard's user may do what the page does")


def tallyctl_with(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    done = subprocess.run([program("tallyctl"), "--config", str(file), *words], env=own, text=True,
                          capture_output=True, timeout=120)
    must(not any(secret in done.stdout + done.stderr for secret in SECRETS),
         f"tallyctl tells a secret: {done.stdout}{done.stderr}")
    return done


# ---- what must fail, and say so ------------------------------------------------------------------

def must_say(stage: Stage, place: Place, settings: dict[str, str], case: str, wrong: dict[str, str],
             check: str, words: str) -> None:
    """The worker is not ready, check and log name the cause, and it ends when told to."""
    port = free_port()
    worker = Worker("orders", 1, place, stage.logs / case.replace(" ", "-"),
                    {**settings, **wrong, "http.address": f"127.0.0.1:{port}"}).start()
    try:
        deadline = time.monotonic() + WAIT_S
        while words not in worker.log.read_text() or f"[-]{check}" not in get(
                port, "/readyz?verbose")[1]:
            must(time.monotonic() < deadline and worker.alive(),
                 f"{case}: {get(port, '/readyz?verbose')}\n{worker.log_tail()}")
            time.sleep(0.1)
        must(get(port, "/readyz")[0] == 503, f"{case}: ready all the same")
        must(get(port, "/livez")[0] == 200, f"{case}: not alive")
    finally:
        worker.kill()
    stage.say(f"{case}: said, and not ready")


def must_refuse(stage: Stage, place: Place, keys: Path, settings: dict[str, str]) -> None:
    stranger = f"{keys}/stranger.pem"
    for case, wrong, check, words in (
            ("wrong kafka password", {"kafka.sasl.password.file": f"{keys}/wrong.secret"}, "group",
             "Authentication failed"),
            ("unknown kafka authority", {"kafka.ssl.ca.location": stranger}, "group",
             "certificate verify failed"),
            ("kafka without tls", {"kafka.security.protocol": "plaintext"}, "group",
             "kafka_client_error"),
            ("wrong redis password", {"redis.password.file": f"{keys}/wrong.secret"}, "redis",
             "WRONGPASS"),
            ("unknown redis authority", {"redis.tls.ca.file": stranger}, "redis",
             "certificate verify failed"),
            ("redis without tls", {"redis.url": settings["redis.url"].replace("rediss", "redis"),
                                   "redis.tls.ca.file": "", "redis.tls.cert.file": "",
                                   "redis.tls.key.file": ""}, "redis", "redis_not_connected"),
            ("kafka group not granted", {"group.prefix": "other."}, "group",
             "Group authorization failed"),
            ("redis without certificate", {"redis.tls.cert.file": "", "redis.tls.key.file": ""},
             "redis", "redis_not_connected")):
        must_say(stage, place, settings, case, wrong, check, words)


def must_keep_secrets(stage: Stage) -> None:
    logs = list(stage.logs.rglob("*.log"))
    must(len(logs) > 5, f"only {len(logs)} logs")
    for log in logs:
        text = log.read_text(errors="replace")
        told = [secret for secret in SECRETS if secret in text]
        must(not told, f"{log} tells {told}")


def test() -> None:
    with Stage("tls") as stage:
        keys = stage.folder / "keys"
        make_keys(keys)
        broker, brokers = start_broker(stage, keys)
        try:
            redis, redis_url = start_redis(stage, keys)
            try:
                run(stage, keys, broker, brokers, redis, redis_url)
            finally:
                redis.stop()
        finally:
            broker.stop()


def run(stage: Stage, keys: Path, broker: Broker, brokers: str, redis: RedisServer,
        redis_url: str) -> None:
    stage.say("a broker and a Redis demand TLS and passwords")
    place = Place(broker.address, f"redis://:{ADMIN_SECRET}@{redis.address}", PREFIX, "tally:",
                  PREFIX)
    settings = settings_for(keys, brokers, redis_url)
    must_do_a_load(stage, place, settings)
    must_serve_tallyctl(stage, place, keys, settings)
    must_serve_the_dashboard(stage, place, keys, settings)
    must_refuse(stage, place, keys, settings)
    must_keep_secrets(stage)


if __name__ == "__main__":
    main(test)

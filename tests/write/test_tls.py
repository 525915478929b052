"""Encrypted connections to real servers: with the right authority, and refused with a wrong one."""

import shutil
from collections import Counter

import confluent_kafka as kafka
import pytest

from deep_faker.errors import OutputError
from deep_faker.outputs import KafkaOutput, MySQLOutput, PostgresOutput
from tests.support.servers.certificates import Authority
from tests.support.servers.kafka_broker import KafkaBroker, KafkaMissingError, requirements
from tests.support.servers.sql_servers import DATABASE, PASSWORD, USER, MariaDB, NoServerError, PostgreSQL
from tests.support.worlds.resume_world import ResumeBought, ResumeJoined, shop

TABLES = {ResumeJoined: "joined", ResumeBought: "bought"}


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """One that the servers' certificates are of, and one that nobody knows."""
    folder = tmp_path_factory.mktemp("tls")
    return Authority(folder, "right"), Authority(folder, "wrong")


def run(output):
    sim = shop(duration="5m")
    sim.add_output(output)
    return sum(sim.run(progress=False).events.values())


def readable(server, *paths):
    """Copies that the server's account may read, as strictly as PostgreSQL asks for."""
    copies = []
    for path in paths:
        copy = server.folder / path.name
        shutil.copy(path, copy)
        copy.chmod(0o600)
        if server._as():
            shutil.chown(copy, server.account)
        copies.append(copy)
    return copies


def test_mysql(authorities):
    right, wrong = authorities
    server = MariaDB()
    try:
        certificate, key = readable(server, *right.server())
        server.options = (
            f"--ssl-cert={certificate}", f"--ssl-key={key}", "--require-secure-transport=ON",
        )  # fmt: skip
        try:
            server.start()
        except NoServerError as error:
            pytest.skip(f"no MariaDB to test on: {error}")
        base = f"mysql://{USER}:hunter2%20'quoted'@127.0.0.1:{server.port}/{DATABASE}"

        def output(options):
            return MySQLOutput(url=base + options, table_mapping=TABLES, timeout=5)

        with pytest.raises(OutputError, match=r"(?i)secure.transport|certificate|ssl"):
            run(output(f"?ssl_ca={wrong.path}"))
        with pytest.raises(OutputError, match=r"(?i)insecure|secure.transport|access denied"):
            run(output("?ssl=false"))
        made = run(output(f"?ssl_ca={right.path}&ssl_verify_identity=true"))
        ssl = {"ssl_ca": str(right.path)}
        counts = server.rows("SELECT COUNT(*) FROM joined UNION ALL SELECT COUNT(*) FROM bought", **ssl)
        assert sum(count for (count,) in counts) == made > 100
    finally:
        server.__exit__()


def test_postgres(authorities):
    right, wrong = authorities
    server = PostgreSQL()
    try:
        certificate, key = readable(server, *right.server())
        server.options = ("ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}")
        try:
            server.start()
        except NoServerError as error:
            pytest.skip(f"no PostgreSQL to test on: {error}")

        def output(authority):
            there = {"host": "127.0.0.1", "port": server.port, "user": USER, "password": PASSWORD}
            asked = {"sslmode": "verify-full", "sslrootcert": str(authority.path)}
            return PostgresOutput(database=DATABASE, table_mapping=TABLES, timeout=5, **there, **asked)

        with pytest.raises(OutputError, match=r"certificate"):
            run(output(wrong))
        made = run(output(right))
        counts = server.rows("SELECT count(*) FROM joined UNION ALL SELECT count(*) FROM bought")
        assert sum(count for (count,) in counts) == made > 100
        assert server.rows("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [(True,)]
    finally:
        server.__exit__()


def test_kafka(authorities, tmp_path):
    right, wrong = authorities
    try:
        requirements()
    except KafkaMissingError as error:
        pytest.skip(str(error))
    broker = KafkaBroker(tmp_path / "kafka", certificate=right.server())
    broker.start()
    try:
        topics = {ResumeJoined: "joined", ResumeBought: "bought"}
        asked = {"security.protocol": "SSL", "ssl.ca.location": str(right.path)}

        def output(config, timeout=30):
            return KafkaOutput(topics, broker.secure, create_topics=True, config=config, timeout=timeout)

        with pytest.raises(OutputError, match=r"(?i)certificate|ssl"):
            run(output({**asked, "ssl.ca.location": str(wrong.path)}, timeout=5))
        with pytest.raises(OutputError, match="cannot reach Kafka"):
            run(output({}, timeout=3))
        made = run(output(asked))
        settings = {"bootstrap.servers": broker.secure, "group.id": "g", "auto.offset.reset": "earliest"}
        consumer = kafka.Consumer({**settings, **asked})
        consumer.subscribe(["joined", "bought"])
        found = Counter()
        while found.total() < made:
            message = consumer.poll(30)
            assert message is not None
            if message.error() is None:
                found[message.value()] += 1
        consumer.close()
        assert max(found.values()) == 1
    finally:
        broker.kill()

"""A password that is given anywhere is shown nowhere: errors and their causes, reprs, reports, files, output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

import deep_faker
from deep_faker import (
    Dataset,
    DeltaOutput,
    FileOutput,
    KafkaOutput,
    MySQLOutput,
    ParquetOutput,
    PostgresOutput,
)
from deep_faker.cli import main
from deep_faker.dataset import verify
from deep_faker.errors import DeepFakerError, Diagnostic, SettingsError
from deep_faker.masking import masked, masked_source, shown_url
from deep_faker.write.secrets import quotable, scrubbed
from tests.support.worlds.resume_world import shop

CANARY = "hunter2canary"
SCHEMES = [
    "https",
    "http",
    "postgresql",
    "mysql",
    "s3",
    "s3a",
    "gs",
    "az",
    "abfs",
    "abfss",
    "ftp",
    "file",
    "x",
]
FORMS = [
    "{scheme}://u:{canary}@host/shop",
    "{scheme}://{canary}:x@host/shop",
    "{scheme}://u:a@b:{canary}@host/shop",
    "{scheme}://u:a/b{canary}@host/shop",
    "{scheme}://u:it's {canary}@host/shop",
    "{scheme}://host/shop?password={canary}",
    "{scheme}://host/shop?a=1&sig={canary}&b=2",
    "{scheme}://host/shop?token={canary}",
]
URLS = [form.format(scheme=scheme, canary=CANARY) for scheme in SCHEMES for form in FORMS]


def texts(error: BaseException) -> str:
    """All that Python would print of an error, and what it holds."""
    said = [str(error), repr(error)]
    for one in (error, error.__cause__, None if error.__suppress_context__ else error.__context__):
        if one is not None:
            said += [str(one), repr(one.args), "".join(traceback.format_exception_only(one))]
    for diagnostic in getattr(error, "diagnostics", ()):
        said += [diagnostic.title, diagnostic.label, diagnostic.help]
    return "\n".join(said)


def spoken(what: Any) -> str:
    """What a call says: the error, or the repr and place of what it makes."""
    try:
        made = what()
    except DeepFakerError as error:
        return texts(error)
    return f"{made!r} {made} {getattr(made, 'place', '')}"


@pytest.mark.parametrize("take", [ParquetOutput, FileOutput, DeltaOutput, Dataset.open], ids=str)
def test_urls_with_secrets_are_refused_without_them(take):
    """Where a place in an object store, or a local one, is asked for."""
    for url in URLS:
        said = spoken(lambda url=url: take(url))
        assert CANARY not in said, url
        assert "://" in said
        assert "SettingsError" in said or "error:" in said


def test_a_url_that_is_no_text_is_a_path(tmp_path, monkeypatch):
    """`Path` makes one slash of two; the file that cannot be there is named without the password."""
    monkeypatch.chdir(tmp_path)
    said = spoken(lambda: Dataset.open(Path(f"https://u:{CANARY}@host/shop")))
    assert "no data set" in said
    assert CANARY not in said


def test_verify_shows_none():
    """`verify` says what is wrong of a URL, by an error or a line."""
    for url in URLS:
        try:
            said = "\n".join(verify(url))
        except SettingsError as error:
            said = texts(error)
        assert said
        assert CANARY not in said


def databases() -> list[Any]:
    port = 1  # nobody listens there
    return [
        lambda: PostgresOutput(url=f"postgresql://u:{CANARY}@127.0.0.1:{port}/d", table_mapping={"A": "a"}),
        lambda: PostgresOutput(url=f"postgresql://u@127.0.0.1:{port}/d?password={CANARY}", table_mapping={}),
        lambda: PostgresOutput(
            url=f"postgresql://u@127.0.0.1:{port}/d?sslpassword={CANARY}", table_mapping={}
        ),
        lambda: PostgresOutput(url=f"postgres+x://u:{CANARY}@127.0.0.1/d"),
        lambda: PostgresOutput(url=f"postgresql://u:{CANARY}@127.0.0.1:x/d"),
        lambda: PostgresOutput(host="127.0.0.1", port=port, user="u", database="d", password=CANARY),
        lambda: PostgresOutput(connection_config={"host": "127.0.0.1", "port": port, "passwd": CANARY}),
        lambda: PostgresOutput(connection_config={"host": "127.0.0.1", "port": 1, "no_such_secret": CANARY}),
        lambda: MySQLOutput(url=f"mysql://u:{CANARY}@127.0.0.1:{port}/d", table_mapping={"A": "a"}),
        lambda: MySQLOutput(url=f"mysql://u@127.0.0.1:{port}/d?password={CANARY}", table_mapping={}),
        lambda: MySQLOutput(host="127.0.0.1", port=port, user="u", database="d", password=CANARY),
        lambda: MySQLOutput(connection_config={"host": "127.0.0.1", "port": port, "password": CANARY}),
        lambda: MySQLOutput(connection_config=f"mysql://u:{CANARY}@h/d"),
        lambda: MySQLOutput(url=f"mysql://u:{CANARY}@h/d", bulk="lod"),
    ]


def others(tmp_path: Path) -> list[Any]:
    keys = {"aws_access_key_id": CANARY, "aws_secret_access_key": CANARY, "endpoint": "http://127.0.0.1:1"}
    quick = {"allow_http": True, "max_retries": 0, "retry_timeout": 1, "timeout": "1s", "region": "x"}
    sas = {"azure_storage_sas_token": f"sv=1&sig={CANARY}", "azure_storage_account_name": "a"}
    kafka = {"sasl.mechanism": "PLAIN", "security.protocol": "SASL_PLAINTEXT", "sasl.username": "u"}
    return [
        lambda: ParquetOutput("s3://bucket/x", storage_options=keys | quick),
        lambda: FileOutput("s3://bucket/x.jsonl", storage_options=keys | quick),
        lambda: ParquetOutput("s3://bucket/x", storage_options={"no_such": CANARY}),
        lambda: ParquetOutput("az://c/x", storage_options=sas | {"endpoint": "http://127.0.0.1:1"} | quick),
        lambda: DeltaOutput("s3://bucket/x", storage_options=keys | {"timeout": "1s", "max_retries": "0"}),
        lambda: ParquetOutput(tmp_path / "x", storage_options={"aws_secret_access_key": CANARY}),
        lambda: KafkaOutput({"A": "a"}, "127.0.0.1:1", timeout=1, config=kafka | {"sasl.password": CANARY}),
        lambda: KafkaOutput({"A": "a"}, config={"ssl.key.pem": CANARY, "no.such": 1}),
        lambda: KafkaOutput({"A": "a"}, config={"sasl.jaas.config": f'x password="{CANARY}";', "no.such": 1}),
        lambda: KafkaOutput(
            {"A": "a"}, value_format="avro", schema_registry=f"http://u:{CANARY}@127.0.0.1:1/"
        ),
        lambda: KafkaOutput(
            {"A": "a"}, value_format="avro", schema_registry=f"ftp://u:{CANARY}@127.0.0.1:1/"
        ),
    ]


@pytest.mark.filterwarnings("ignore::deep_faker.errors.DeepFakerWarning")
def test_outputs_show_none_when_they_are_made_and_when_they_fail(tmp_path):
    """Reprs, places and refusals; and the errors of a run into servers that are not there, with all causes."""
    for number, make in enumerate([*databases(), *others(tmp_path)]):
        said = spoken(make)
        assert CANARY not in said, number
        try:
            output = make()
        except DeepFakerError:
            continue
        sim = shop(n_flows=2, duration="1m")
        sim.add_output(output)
        with pytest.raises(DeepFakerError) as caught:
            sim.run(progress=False)
        assert CANARY not in texts(caught.value), number
        assert CANARY not in "".join(traceback.format_exception(caught.value)), number


@pytest.mark.filterwarnings("ignore::deep_faker.errors.DeepFakerWarning")
def test_checkpoints_and_reports_hold_none(tmp_path):
    """What is noted of outputs beside a run, and what the report says."""
    sim = shop(n_flows=2, duration="1m")
    sim.add_output(MySQLOutput(url=f"mysql://u:{CANARY}@127.0.0.1:1/d", table_mapping={"ResumeBought": "b"}))
    sim.add_output(ParquetOutput(tmp_path / "out"))
    with pytest.raises(DeepFakerError):
        sim.run(checkpoint_every=100, checkpoint=tmp_path / "c", progress=False)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"mysql" in kept.lower()
    assert CANARY.encode() not in kept


PROGRAM = """
from deep_faker import BaseEvent, KafkaOutput, MySQLOutput, NewEvent, ParquetOutput, Simulation

class Ping(BaseEvent):
    n: int = 1

sim = Simulation(duration="1s", start_time="2024-01-01", n_flows=1, random_seed=1)

@sim.flow()
def ping(ctx):
    yield NewEvent(ctx, Ping)

"""
LINES = [
    f'sim.add_output(ParquetOutput("s3://u:{CANARY}@bucket/x"))',
    f'sim.add_output(ParquetOutput("x", rows_per_file=0, storage_options={{"secret": "{CANARY}"}}))',
    f'sim.add_output(MySQLOutput(host="h", password="{CANARY}", bulk="lod"))',
    f'sim.add_output(MySQLOutput(url="mysql://u:{CANARY}@127.0.0.1:1/d", table_mapping={{"Ping": "p"}}))',
    f'sim.add_output(KafkaOutput({{"Ping": "a b"}}, config={{"sasl.password": "{CANARY}"}}))',
    f'sim = Simulation(duration="https://u:{CANARY}@h")',
]


@pytest.mark.parametrize("line", LINES)
def test_the_command_echoes_none(tmp_path, line):
    """Neither the user's line that an error draws nor anything else of the command shows the password."""
    (tmp_path / "prog.py").write_text(PROGRAM + line + "\n")
    code = "import sys; from deep_faker.cli import main; sys.argv[0] = 'deepfaker'; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "prog.py", "--quiet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(deep_faker.__file__).parents[1])},
    )
    assert done.returncode in (1, 2)
    assert "error: " in done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_options_of_the_command_echo_none(tmp_path, monkeypatch, capsys):
    """``--output URL`` and ``verify URL``."""
    (tmp_path / "prog.py").write_text(PROGRAM)
    for form in FORMS:
        for scheme in ("https", "s3", "postgresql"):
            url = form.format(scheme=scheme, canary=CANARY)
            for arguments in (["run", str(tmp_path / "prog.py"), "--output", url], ["verify", url]):
                monkeypatch.setattr(sys, "argv", ["deepfaker", *arguments])
                with pytest.raises(SystemExit) as caught:
                    main()
                assert caught.value.code in (1, 2)
                out, err = capsys.readouterr()
                assert "error: " in err
                assert CANARY not in out + err


def test_diagnostics_are_masked_where_they_are_made():
    """The attributes too, which a program may put elsewhere; what is no secret stays."""
    one = Diagnostic(f"a mysql://u:{CANARY}@h", None, f"b?token={CANARY}&x=1", f"c http://{CANARY}@h")
    assert (one.title, one.label, one.help) == ("a mysql://…@h", "b?token=…&x=1", "c http://…@h")
    for text in ("http://localhost:8080/x", "me@db:5432", "abfss://c@account/x", "a: b@c", "s3://b/x@y"):
        assert masked(text) == text


def test_a_source_line_keeps_its_width():
    """Carets stay under what they point at."""
    line = f"x = MySQLOutput(url=\"mysql://u:{CANARY}@h/d\", password='{CANARY}', port=1)"
    assert len(masked_source(line)) == len(line)
    assert CANARY not in masked_source(line)
    assert masked_source(line).endswith("port=1)")


def test_whole_urls_and_client_texts():
    """A refused URL loses everything before its host; a client's exception is chained only where it is clean."""
    assert shown_url(f"x://a b'{CANARY}@h/p?q={CANARY}") == "x://…@h/p?…"
    assert scrubbed(f"no {CANARY}", {"sasl.password": CANARY}) == "no …"
    clean, dirty = ValueError("no host"), ValueError(json.dumps({"x": CANARY}))
    assert quotable(clean, {"token": CANARY}) is clean
    assert quotable(dirty, {"token": CANARY}) is None
    clean.__context__ = dirty
    assert quotable(clean, {"token": CANARY}) is None

"""A data set in the formats of other tools: `Dataset.export`, and on the command line ``deepfaker export``.

* ``relbench``: a folder for RelBench 3; ``tasks``, ``validation``, ``test``, ``name``.
* ``ocel``: a file of OCEL 2.0, ``.json`` or ``.sqlite``.
* ``xes``: a Parquet file with the column names of XES; ``case``, ``resource``, ``fields``.
* ``debezium``: changes, as a folder of JSON lines, or to ``kafka://HOST:PORT``; ``entities``, ``prefix``,
  ``schemas``, ``config``.
* ``easytpp``: sequences as JSON lines for EasyTPP; ``entity``, ``events``, ``unit``, ``shares``, ``seed``.
* ``hotpp``: sequences as Parquet for HoTPP and pytorch-lifestream; the same, and ``values``.
* ``meds``: a MEDS data set; the same without ``unit``, and ``labels``.
* ``huggingface``: data, card and Croissant metadata; ``name``, ``description``, ``license``, ``url``.

What each means stands in the module of its name. All of them also take ``overwrite``.

>>> from deep_faker import BaseEvent, Field, NewEvent, Simulation
>>> class Ping(BaseEvent):
...     size: int = Field(faker="random_int", min=1, max=9)
>>> sim = Simulation(duration="1s", start_time="2024-01-01", n_flows=2, random_seed=1)
>>> @sim.flow()
... def ping(ctx):
...     yield NewEvent(ctx, Ping)
>>> import json, pathlib, tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     sim.collect().export("ocel", f"{folder}/log.json")
...     log = json.loads(pathlib.Path(folder, "log.json").read_text())
>>> log["eventTypes"], len(log["events"])
([{'name': 'Ping', 'attributes': [{'name': 'size', 'type': 'integer'}]}], 2)
"""

from deep_faker.exports.relbench import Task as Task

__all__ = ["Task"]

"""An output that has failed is given nothing more, and no checkpoint says that it is whole."""

from __future__ import annotations

import time
import warnings

import pytest

from deep_faker import FileOutput, ParquetOutput
from deep_faker.errors import DeepFakerWarning, OutputError
from tests.support.worlds.resume_world import shop


class FailsOnce:
    """Keeps the events' places; its fourth call of ``method`` fails, slowly, so that more waits behind it."""

    place = ""

    def __init__(self, method: str) -> None:
        self.method, self.calls, self.got = method, 0, []
        self.after: list[str] = []
        self.failed = False

    def _called(self, method: str) -> None:
        if self.failed:
            self.after.append(method)
        self.calls += method == self.method
        if method == self.method and self.calls == 4:
            time.sleep(0.3)
            self.failed = True
            raise OutputError(f"{method} fails")

    def open(self, info):
        pass

    def write(self, chunk):
        self._called("write")
        self.got += range(chunk.first, chunk.end)

    def checkpoint(self):
        self._called("checkpoint")
        return {"events": len(self.got)}

    def resume(self, info, state):
        self.failed = False
        del self.got[state["events"] :]

    def suspend(self):
        pass

    def finish(self):
        return []

    def abort(self):
        pass


@pytest.mark.parametrize("method", ["write", "checkpoint"])
def test_nothing_comes_after_a_failure(tmp_path, method):
    output = FailsOnce(method)

    def run(*, resume):
        sim = shop(duration="30m")
        sim.add_output(output)
        return sim.run(checkpoint_every=300, checkpoint=tmp_path / "c", resume=resume, progress=False)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeepFakerWarning)
        with pytest.raises(OutputError, match=f"{method} fails"):
            run(resume=False)
        assert output.after == []
        report = run(resume=True)
    assert output.got == list(range(report.total))


@pytest.mark.parametrize("first", [True, False])
def test_r3_files_get_their_names_when_all_else_has_gone_well(tmp_path, first):
    """An output that fails at its very end, a broker that does not acknowledge, leaves no file of the others."""

    class Late:
        """Takes everything and fails at the end."""

        rows = 0

        def write_batch(self, event_type, frame):
            self.rows += frame.height

        def close(self):
            raise OSError("not acknowledged")

    late, sim = Late(), shop(duration="20m")
    outputs = [ParquetOutput(tmp_path / "set"), FileOutput(tmp_path / "lines.jsonl.gz")]
    for output in (late, *outputs) if first else (*outputs, late):
        sim.add_output(output)
    with pytest.raises(Exception, match="not acknowledged"):
        sim.run(progress=False)
    assert late.rows > 100
    assert list(tmp_path.iterdir()) == []

"""Runs of an output into Delta tables."""

from deltalake import DeltaTable

from tests.support.worlds.output_world import World, info

WORLD = World(3000)


def run(output, cuts=(), world=WORLD, run_id="r1"):
    """As the runner does, without truth tables."""
    try:
        output.open(info(run_id=run_id))
        for chunk in world.chunks(cuts):
            output.write(chunk)
        return output.finish()
    except BaseException:
        output.abort()
        raise


def rows(path):
    """The events in a table, in any order: Delta keeps none."""
    return DeltaTable(path).to_pyarrow_table().to_pylist()


def by_id(rows):
    return sorted(rows, key=lambda row: row["sys__eid"])

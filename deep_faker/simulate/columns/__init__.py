"""The numpy engine: all flows that are at one place advance together.

What a run is between two steps is the `World` (`world`): tables and lists (`store`), slots
(`flows_in_flight`), `changes` and what is recorded. It knows nothing of what moves it on: the parts of a
step (`births`, `competition`, `late`, `endings`, the generated functions of `code`), each given the world
and the callables that it needs. `engine` leads them through the step.
"""

"""What Kafka's client says when it fails: which errors, and whether another producer has taken over."""

from __future__ import annotations

from typing import Any

# These say that something happened before, not what.
_HOLLOW = ("_FATAL", "_STATE")
_FENCED = ("_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH")


def exceptions() -> tuple[type[Exception], ...]:
    """What the client's calls raise.

    `SystemError` too: the client keeps a fatal error, goes on calling back, and Python finds an
    exception set where none should be.
    """
    from confluent_kafka import KafkaException

    return KafkaException, SystemError


def problem_of(error: BaseException) -> Any:
    """The client's own error object; an error that holds none is raised again."""
    from confluent_kafka import KafkaException

    found: BaseException | None = error
    while found is not None and not isinstance(found, KafkaException):
        found = found.__cause__ or found.__context__
    if found is None:
        raise error
    return found.args[0]


def ends_transaction(problem: Any) -> bool:
    """Whether the transaction cannot go on, whichever call noticed it."""
    return bool(problem.fatal() or problem.txn_requires_abort() or problem.name() in _HOLLOW)


def aborted(producer: Any, problem: Any, seconds: float) -> Any:
    """Abort the transaction that ``problem`` ended. Returns why that cannot be done, None where it was.

    The first call to notice a fatal error is often told only that there is one, or that messages were
    dropped; the transactional calls tell which.
    """
    if problem.fatal() or not ends_transaction(problem):
        return problem
    try:
        producer.abort_transaction(seconds)
    except exceptions() as error:
        return problem_of(error)
    return None


def is_fenced(problem: Any) -> bool:
    """Whether another producer has taken over the transactional id."""
    return problem.name() in _FENCED

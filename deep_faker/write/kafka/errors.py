"""Kafka's client: whether it is there, and what it says when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deep_faker.errors import Diagnostic, OutputError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer

# These say that something happened before, not what.
_HOLLOW = ("_FATAL", "_STATE")
_FENCED = ("_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH")


def producer_class() -> type[Producer]:
    """The client's class. Raises `OutputError` with what to install where it is not there."""
    try:
        from confluent_kafka import Producer
    except ImportError as error:
        mend = 'pip install "deep-faker[kafka]"'
        raise OutputError(Diagnostic("KafkaOutput needs confluent-kafka", None, str(error), mend)) from None
    return Producer


def exceptions() -> tuple[type[Exception], ...]:
    """What the client's calls raise.

    `SystemError` too: the client keeps a fatal error, goes on calling back, and Python finds an
    exception set where none should be.
    """
    from confluent_kafka import KafkaException

    return KafkaException, SystemError


def problem_of(error: BaseException) -> KafkaError:
    """The client's own error object; an error that holds none is raised again."""
    from confluent_kafka import KafkaException

    below: BaseException | None = error
    while below is not None and not isinstance(below, KafkaException):
        below = below.__cause__ or below.__context__
    if below is None:
        raise error
    problem: KafkaError = below.args[0]
    return problem


def ends_transaction(problem: KafkaError) -> bool:
    """Whether the transaction cannot go on, whichever call noticed it."""
    return bool(problem.fatal() or problem.txn_requires_abort() or problem.name() in _HOLLOW)


def aborted(producer: Producer, problem: KafkaError, seconds: float) -> KafkaError | None:
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


def is_fenced(problem: KafkaError) -> bool:
    """Whether another producer has taken over the transactional id."""
    return problem.name() in _FENCED

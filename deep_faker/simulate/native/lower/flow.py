"""One flow as instructions: operations and terminators of its states."""

from __future__ import annotations

from deep_faker.plan import (
    Apply,
    Branch,
    Clock,
    Count,
    Draw,
    Early,
    Emit,
    End,
    Given,
    Goto,
    Held,
    Hold,
    Let,
    Need,
    Operation,
    Pick,
    Read,
    Release,
    Save,
    Session,
    State,
    Terminator,
    Turn,
    Type,
    Use,
    Wait,
)
from deep_faker.simulate.native import escapes, layout
from deep_faker.simulate.native.lower.assembler import Label
from deep_faker.simulate.native.lower.expressions import lower_test
from deep_faker.simulate.native.lower.waits import Waits


class FlowLowering(Waits):
    """Writes the code of one flow; its bases write the parts."""

    def write(self) -> None:
        """All states of the flow, then the places at which it needs Python."""
        self.entry = len(self.code.words)
        for state in self.flow.states:
            self.code.place(self.labels[state.number])
            self._state(state)
        for label, escape, after in self.stubs:
            if self._was_used(label):
                self.code.place(label)
                self.code.put(layout.O_ESCAPE, escape, layout.O_GOTO, after)
        for state in self.flow.states:
            if isinstance(state.terminator, Wait):
                following = state.terminator.next
                place = self.labels[following].place
                assert place is not None
                self.resumes[following] = place

    def _state(self, state: State) -> None:
        operations, terminator = list(state.operations), state.terminator
        test: Let | None = None
        if isinstance(terminator, Branch) and operations:
            last = operations[-1]
            if (
                isinstance(last, Let)
                and last.target == terminator.test
                and self.reads.get(last.target) == 1
                and last.target not in self.kept
            ):
                test = last
                operations.pop()
        for operation in operations:
            self._operation(operation)
        if test is not None and isinstance(terminator, Branch):
            then, other, following = self.labels[terminator.then], self.labels[terminator.other], Label()
            before, known = len(self.stubs), len(self.escapes)
            trouble = self._trouble(
                escapes.expression(test.target, test.expr), test.expr.text, test.expr.span, following
            )
            if lower_test(test.expr, self.frame, trouble, then, other):
                self.forms.value(lambda: None)
                self._here(following)  # Python has told the truth of it
                self.code.put(layout.O_BRANCH, self.frame.register(test.target), then, other)
                return
            del self.stubs[before:], self.escapes[known:]
            self._operation(test)
        self._terminator(state, terminator)

    def _operation(self, operation: Operation) -> None:
        put, frame = self.code.put, self.frame
        match operation:
            case Let(target, expr) if target in self.deferred:
                self._defer(target, expr)
                self._note_later(target, expr.span)
            case Let():
                self.forms.value(lambda: self._let(operation))
            case Draw():
                self.forms.value(lambda: self._draw(operation))
            case Held(target, entity):
                put(layout.O_HELD, frame.register(target), self._type(entity))
            case Read():
                put(layout.O_NEED, frame.register(operation.handle), operation.span.line)
                self._read(operation)
            case Need(handle, span):
                put(layout.O_NEED, frame.register(handle), span.line)
            case Clock(target):
                self._assign(target, lambda register: put(layout.O_CLOCK, register), Type("datetime"))
            case Session(target):
                self._assign(target, lambda register: put(layout.O_SESSION, register), Type("str"))
            case Count(span):
                if self.guarded:
                    stop = self._trouble(escapes.refuse("stalled", span), "stalled", span, Label(0))
                    put(layout.O_COUNT_GUARDED, stop)
                else:
                    put(layout.O_COUNT)
            case Turn(span):
                put(
                    layout.O_TURN, self._trouble(escapes.refuse("spinning", span), "spinning", span, Label(0))
                )
            case Given():
                pass  # it is among the first registers, see `_across`
            case Early(target, event, name, span) if target in self.unsaid:
                self._note_later(target, span)
            case Early(target, event, name, span):
                self.forms.value(lambda: self._early(target, event, name, span))
            case Apply(changes, span):
                self._check_changes(changes, span, None)
                self._changes(changes, is_event=False, born=None)
            case Emit():
                self._check_emit(operation, None)
                self._emit(operation, None)
                self._changes(operation.changes, is_event=True, born=None)
            case Hold(entity, handle, span):
                put(layout.O_NEED, frame.register(handle), span.line)
                stop = self._trouble(escapes.refuse("not held", span, entity), "add_entity", span, Label(0))
                put(layout.O_SAME, self._type(entity), frame.register(handle), stop)
            case Use(entity, handle):
                put(layout.O_USE, self._type(entity), frame.register(handle))
            case Release(entity):
                put(layout.O_RELEASE, self._type(entity))

    def _terminator(self, state: State, terminator: Terminator) -> None:
        put = self.code.put
        match terminator:
            case Goto(following):
                put(layout.O_GOTO, self.labels[following])
            case Branch(test, then, other):
                put(layout.O_BRANCH, self.frame.register(test), self.labels[then], self.labels[other])
            case End(span):
                put(layout.O_END, span.line)
            case Wait():
                self._wait(state, terminator)
            case Pick():
                self._pick(state, terminator)
            case Save():
                self._save(terminator)

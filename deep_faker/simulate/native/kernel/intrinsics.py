"""What the native engine needs of the machine and numba does not offer: bits, pointers, checked arithmetic.

All take and give typed 64-bit words and become one or two machine instructions. Arithmetic that may leave
64 bits gives ``(word, overflow)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

# Never fastmath: every operation is rounded once, as Python rounds it. A division by zero is tested where it
# can happen, so numba need not raise by itself.
compiled = njit(error_model="numpy", nogil=True)

_I1, _I32, _I64, _I128 = (ir.IntType(width) for width in (1, 32, 64, 128))
Word = Any  # what a compiled function takes and gives: int64, or uint64 for keys and draws
Generated = tuple[Any, Callable[[Any, Any, Any, Any], Any]]


@intrinsic
def bits(_typing: Any, x: Any) -> Generated:
    """The 64 bits of a float as an int."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], _I64)

    return types.int64(types.float64), generate


@intrinsic
def flt(_typing: Any, word: Any) -> Generated:
    """The float of 64 bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), generate


@intrinsic
def mulhi(_typing: Any, a: Any, b: Any) -> Generated:
    """The high half of the 128-bit product of two uint64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.mul(*(builder.zext(arg, _I128) for arg in args))
        return builder.trunc(builder.lshr(product, ir.Constant(_I128, 64)), _I64)

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def fma(_typing: Any, a: Any, b: Any, c: Any) -> Generated:
    """``a * b + c``, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), generate


@intrinsic
def fmod(_typing: Any, x: Any, y: Any) -> Generated:
    """The remainder of ``x / y`` with the sign of ``x``, which is exact; nan by zero."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.frem(*args)

    return types.float64(types.float64, types.float64), generate


@intrinsic
def prefetch(_typing: Any, address: Any) -> Generated:
    """Ask for the cache line at ``address``, which is about to be read or written; never faults."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", (byte,), ir.FunctionType(ir.VoidType(), (byte, _I32, _I32, _I32))
        )
        place = builder.inttoptr(args[0], byte)
        read, near, data = (ir.Constant(_I32, number) for number in (0, 3, 1))
        builder.call(function, (place, read, near, data))
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _checked(operation: str) -> Any:
    """An operation on int64 that also says whether its result has left 64 bits."""

    @intrinsic
    def checked(_typing: Any, a: Any, b: Any) -> Generated:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            both = getattr(builder, f"{operation}_with_overflow")(*args)
            parts = [builder.extract_value(both, at) for at in (0, 1)]
            return context.make_tuple(builder, signature.return_type, parts)

        return types.Tuple((types.int64, types.boolean))(types.int64, types.int64), generate

    return checked


add_checked, sub_checked, mul_checked = _checked("sadd"), _checked("ssub"), _checked("smul")


def _pointer(item: Any) -> Any:
    """From an address to a typed pointer: ``p[i]`` reads and writes, without bounds or reference counts."""

    @intrinsic
    def at(_typing: Any, address: Any) -> Generated:
        signature = types.CPointer(item)(types.int64)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return signature, generate

    return at


pi64, pu64, pf64, pu32 = map(_pointer, (types.int64, types.uint64, types.float64, types.uint32))



@compiled
def add_overflows(a: Word, b: Word) -> bool:
    """Whether a sum of ints leaves 64 bits."""
    return add_checked(a, b)[1]


@compiled
def subtract_overflows(a: Word, b: Word) -> bool:
    """Whether a difference of ints leaves 64 bits."""
    return sub_checked(a, b)[1]


@compiled
def multiply_overflows(a: Word, b: Word) -> bool:
    """Whether a product of ints leaves 64 bits."""
    return mul_checked(a, b)[1]

"""Text and objects as words: what is known by a number stays one, until somebody wants to read it.

A text word is ``tag << 48 | payload``:

====================  =================================================================
tag                   payload
====================  =================================================================
``CODE``              index into ``Plan.texts`` (the word of a ``code`` value is the same)
``OBJECT``            place in the run's table of Python objects
``SESSION``           number of a flow, whose session id it is
``FIRST + 2 e``       number of an entity of the plan's type e, whose (permuted) key it is
``FIRST + 2 e + 1``   ``field << 40 | number``: a generated field of that entity's birth event
====================  =================================================================

So equal words are equal texts, and two ``CODE`` words, or two keys of one type, that differ are different
texts; of others only their texts tell.
"""

from __future__ import annotations

SHIFT = 48
CODE, OBJECT, SESSION, FIRST = 0, 1, 2, 16
PAYLOAD = (1 << SHIFT) - 1

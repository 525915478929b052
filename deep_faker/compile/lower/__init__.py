"""From the tree of a function to blocks of operations.

`rules` says which function each type of node goes to. All of them are handed a `Lowering`, which knows where
lowering is and writes the blocks. The parts of a node go back to the table, by `Lowering.visit` and
`Lowering.statements`: so no rule has to know another that lies above it.
"""

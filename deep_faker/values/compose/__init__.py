"""What exploring a method gave, as what draws whole columns."""

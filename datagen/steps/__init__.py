"""Steps of a solution (its equations, or the operations of a program) against those of the gold path."""

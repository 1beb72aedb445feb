"""Sketches: what is kept of many values where no sum will do, in bounded space and within a stated error.

A sketch is a sparse mapping, item → number, with merging that is commutative, associative and exact: the same
values in any order and any cut make the same mapping, whatever machine it is made on.
"""

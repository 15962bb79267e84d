"""The record of an analysis: of answers, of the boundary, of attention, and what reading them took."""

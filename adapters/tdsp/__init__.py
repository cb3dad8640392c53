"""A TDSP to play with: a SOAP peer that keeps the state of its meters and of the devices in its customers' homes (K2).

Nothing that it tells is canned: every status follows from what its state says at that moment, and its state is a file
that survives kill -9. What goes wrong (silence, refusals, repeats, posts out of order) is drawn from a seed.
"""

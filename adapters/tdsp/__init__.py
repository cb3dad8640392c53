"""A TDSP to play with: a SOAP peer that keeps the state of meters and home devices."""

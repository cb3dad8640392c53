"""Rules of the home area network as plain tables and functions."""

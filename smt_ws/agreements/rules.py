"""Rules of agreements as plain tables and functions."""

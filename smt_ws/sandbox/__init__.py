"""A whole market on one machine: sample certificates, households, companies, and the demonstration."""

"""What happens by the clock: a table of jobs, one small function each, and the clock that runs them."""

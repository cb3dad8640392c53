"""Pages for people: accepting and refusing, and everything else done by hand."""

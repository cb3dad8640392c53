"""Green Button documents: NAESB REQ.21 ESPI usage data as Atom feeds. Knows nothing of the hub.

One profile, valid against ESPI 3.3 and 4.0 at once, described in `docs/conformance.md`.

`publisher`  who publishes: addresses, and identifiers that tell nothing
`interval`   the 15-minute interval document
`totals`     daily and monthly energy, and the usage summary of a billing period
`document`   the Atom feed that these are put into
`dmd`        the data rules of the Download My Data test suite, as a checker for any document
"""

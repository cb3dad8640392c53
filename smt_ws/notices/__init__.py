"""E-mail texts and how they leave: a folder of templates a message, a row of the outbox a notice.

A folder holds ``subject``, ``text`` and ``html`` templates, each with its language before the ending
(``subject.en.j2``); what a message's facts are is said at the top of its text.
"""

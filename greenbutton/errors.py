"""What can go wrong when a Green Button document is made or checked."""

from typing import ClassVar


class GreenButtonError(ValueError):
    """A Green Button document could not be made or read."""

    code: ClassVar[str] = "GREEN_BUTTON"


class UnusablePublisherError(GreenButtonError):
    """The address or the secret that documents are published under is unusable; correct the hub's settings."""

    code = "GREEN_BUTTON_PUBLISHER"


class DamagedUsageError(GreenButtonError):
    """A stored day, read or bill is not one: wrong length, negative, unknown status or channel. Check the store."""

    code = "GREEN_BUTTON_DAMAGED_USAGE"


class DisorderedUsageError(GreenButtonError):
    """Usage did not come in order: usage point by usage point, and ascending in time. Sort what is handed over."""

    code = "GREEN_BUTTON_DISORDERED_USAGE"


class NoReadingsError(GreenButtonError):
    """There is nothing to publish: not one reading. A feed needs a usage point with readings; publish no document."""

    code = "GREEN_BUTTON_NO_READINGS"


class UnreadableDocumentError(GreenButtonError):
    """A document to be checked is not well-formed XML, has a DTD, or is too deep; export it again."""

    code = "GREEN_BUTTON_UNREADABLE"

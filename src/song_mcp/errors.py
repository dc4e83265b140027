"""The one error tree of song-mcp.

Every error says what happened, whether it cost anything, and what to do next. The sentences are
ours; a service's own words are in them only cleaned, shortened and quoted.

    SongError
    |-- InvalidRequestError     the arguments do not go together; nothing was sent
    |-- NotConfiguredError      a service has no key; nothing was sent
    |-- LimitReachedError       the daily limit on paid submissions is used up
    |-- UnconfirmedError        the journal was damaged, and no person has confirmed what was saved
    |   `-- OlderJournalError   the journal is an older copy: what it misses was not looked for yet
    |-- NotFoundError
    |   |-- UnknownTaskError    neither the journal nor the service knows this task id
    |   `-- UnknownClipError    the journal has no such clip
    |-- ServiceError            a service did not do what it was asked
    |   |-- PausedError         the circuit breaker is open: the service is not asked for a while
    |   |-- NotSentError        the request never left this machine
    |   |-- NoAnswerError       it left, and no usable answer arrived
    |   |   `-- UnreadableAnswerError   an answer that is not in the service's format
    |   `-- RefusedError        the service refused before accepting anything
    |       |-- BadKeyError         the key is missing, wrong or not allowed
    |       |-- OutOfCreditsError   the account or key has no money left
    |       |-- PlanLimitError      too many songs at once for the account's plan
    |       |-- BusyError           too many requests, or the service is saturated
    |       |-- StoppedError        the model or the service is stopped or under maintenance
    |       |-- TooLargeError       the request is larger than the service takes
    |       |-- BlockedError        what stands in front of the service did not let it through
    |       `-- MisdirectedError    a redirect: the base URL is wrong
    |-- JournalError            the journal cannot be read or written
    `-- LibraryError            a clip's audio cannot be saved or read
        `-- NotYetError             its host may have it in a moment
"""

from typing import Literal

Charged = Literal["yes", "no", "unknown"]


class SongError(Exception):
    """The root: its text is one or more full sentences for the person in the chat.

    `charged` tells whether the failed call cost money: "no" if nothing was accepted.
    """

    charged: Charged = "no"


class InvalidRequestError(SongError):
    """The request breaks one of the rules of `song_mcp.songs`; nothing was sent or paid."""


class NotConfiguredError(SongError):
    """The service that is needed has no key in the settings; nothing was sent or paid."""


class LimitReachedError(SongError):
    """The daily limit on paid submissions is used up; nothing was sent or paid."""


class UnconfirmedError(SongError):
    """The journal was damaged and no person has confirmed what was saved; nothing was sent or paid.

    What is missing in the new journal would be paid again.
    """


class OlderJournalError(UnconfirmedError):
    """The journal is an older copy of itself, and what it does not know was not looked for yet."""


class NotFoundError(SongError):
    """Something that was asked for by name does not exist."""


class UnknownTaskError(NotFoundError):
    """Neither the journal nor the service that was asked knows a task with this id."""


class UnknownClipError(NotFoundError):
    """No clip that is called so is in the journal."""


class ServiceError(SongError):
    """A service did not do what it was asked."""


class PausedError(ServiceError):
    """The service failed several times in a row or asked for a pause: no look is made now."""


class NotSentError(ServiceError):
    """The connection was never made, so no byte of the request left; trying again is safe."""


class NoAnswerError(ServiceError):
    """The request left and no usable answer arrived.

    Whether a submission was accepted is then not known. For a look, which costs nothing, `charged`
    is "no".
    """

    charged: Charged = "unknown"

    def __init__(self, message: str, *, charged: Charged = "unknown") -> None:
        super().__init__(message)
        self.charged = charged


class UnreadableAnswerError(NoAnswerError):
    """An answer arrived that is not in the service's format (HTML, cut off, wrong shape)."""


class RefusedError(ServiceError):
    """The service refused the request before accepting it; nothing was charged."""


class BadKeyError(RefusedError):
    """The service does not accept the key."""


class OutOfCreditsError(RefusedError):
    """The account behind the key has no credits left."""


class PlanLimitError(RefusedError):
    """The account's plan allows no further song at the same time."""


class BusyError(RefusedError):
    """Too many requests, or the service is saturated.

    `retry_after_s` is how long the service asked to wait, in seconds (0 to 120), or None.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoppedError(RefusedError):
    """The model or the whole service is stopped or under maintenance."""


class TooLargeError(RefusedError):
    """The request is larger than the service takes."""


class BlockedError(RefusedError):
    """What stands in front of the service did not let the request through."""


class MisdirectedError(RefusedError):
    """The service answered with a redirect, which is never followed with a key."""


class JournalError(SongError):
    """The journal cannot be read or written; a paid call is refused before it is sent.

    Raised by the journal itself, it says nothing of payments: who knows adds what was paid.
    """


class LibraryError(SongError):
    """A clip's audio could not be saved to or read from the library."""


class StorageError(LibraryError):
    """The library's folder does not take a file, whatever its audio is."""


class NotYetError(LibraryError):
    """What a host sent is not the audio, but may be at the next try.

    `retry_after_s` is how long the host asks to wait, in seconds, or None.
    """

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        """Keep what the host said, and how long it asks to wait."""
        super().__init__(text)
        self.retry_after_s = retry_after_s

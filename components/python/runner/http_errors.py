"""What can go wrong with a request. The texts are the host's: they say what to do."""

from wit_world.imports import http as _http


class Error(OSError):
    """Anything that went wrong with a request."""


class Denied(Error, PermissionError):
    """The tool has no grant for this host."""


class Invalid(Error, ValueError):
    """The URL, the method or a header is not valid."""


class Unreachable(Error, ConnectionError):
    """No connection, or it broke."""


class TimedOut(Error, TimeoutError):
    """The response took longer than `timeout` or than the host allows."""


class TooLarge(Error):
    """A body over the limit, or too many requests in one call."""


class StatusError(Error):
    """`raise_for_status` met a status of 400 or more; `response` is the answer."""

    def __init__(self, message, response):
        super().__init__(message)
        self.response = response

    @property
    def status_code(self):
        return self.response.status_code


_KINDS = {
    _http.Error_Denied: Denied,
    _http.Error_Invalid: Invalid,
    _http.Error_Unreachable: Unreachable,
    _http.Error_TimedOut: TimedOut,
    _http.Error_TooLarge: TooLarge,
}


def from_host(error):
    """The exception for an error that a host function answered."""
    return _KINDS[type(error)](error.value)

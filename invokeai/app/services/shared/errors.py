"""What a service may say no with. Each message is a sentence that a user can act on.

The API layer maps the classes to HTTP statuses in one place (`api_app.py`); services know nothing of HTTP.
"""


class ServiceError(Exception):
    """Base of every refusal that a service makes on purpose."""


class InvalidInput(ServiceError):
    """The request can never succeed as it is. HTTP 422."""


class NotFound(ServiceError):
    """The thing named does not exist. HTTP 404."""


class Conflict(ServiceError):
    """The thing is in a state that forbids the request. HTTP 409."""


class Forbidden(ServiceError):
    """The user may not do this. HTTP 403."""


class TooLarge(ServiceError):
    """The request is over a configured size. HTTP 413."""


class UnsupportedMedia(ServiceError):
    """The bytes are not of a kind that is accepted here. HTTP 415."""


class NotAvailableHere(ServiceError):
    """This server lacks the part (say, local models) that the request needs. HTTP 400."""


class Unavailable(ServiceError):
    """A database, file store or provider does not answer now; the same request may succeed later. HTTP 503."""

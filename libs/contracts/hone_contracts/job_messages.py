"""Messages about jobs of any kind."""

from hone_contracts import subjects
from hone_contracts.messages import Event


class JobCancelled(Event):
    """The job ended as cancelled. Whoever still works on it may stop; its result will not be taken."""

    subject = subjects.event("job", "cancelled")

"""What became of the requests of a run of batches."""

from dataclasses import dataclass, field

from r1k.teacher.answers import AcceptancePolicy
from r1k.teacher.journal import JournalEntry


@dataclass
class BatchProgress:
    """What became of the requests of a run."""

    answered: set[str] = field(default_factory=set)
    """Keys of requests that this run had in flight and that the journal answers."""
    failed: dict[str, str] = field(default_factory=dict)
    """Reasons by keys of requests that are given up."""
    num_new: int = 0
    """Number of answers to requests that this run had in flight."""

    def needs_request(self, policy: AcceptancePolicy, key: str, entry: JournalEntry | None) -> bool:
        """Return whether to send a request with this key; `entry` is the newest answer to it.

        A run sends a request again only if the answer was truncated, with a higher limit.
        """
        again = key not in self.answered or (entry is not None and entry.truncated)
        return again and policy.needs_request(entry)


NOTHING_SENT = BatchProgress()

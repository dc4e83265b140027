"""A service with which a test does what it likes at each point, in place of an adapter."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from song_mcp.providers.base import Accepted, Account, Submission
from song_mcp.songs import Report, Request, ServiceName

Then = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """Do nothing."""


@dataclass
class Teller:
    """A service: `before_post` and `at_post` are awaited at these points, `answer` is what it says.

    It is a Provider as it stands: what `prepare` makes of a request is its description. `shown` are
    the tasks that it knows, by id.
    """

    service: ServiceName = "piapi"
    account_tag: str = "ours"
    answer: Accepted | Exception = field(default_factory=lambda: Accepted("t1"))
    balance: Account | Exception | None = None
    before_post: Then = nothing
    at_post: Then = nothing
    posts: list[Submission] = field(default_factory=list)
    shown: dict[str, Report | Exception] = field(default_factory=dict)

    def prepare(self, request: Request) -> Submission:
        return Submission(self.service, "/make", {"prompt": request.description}, 45.0)

    async def submit(self, submission: Submission) -> Accepted:
        self.posts.append(submission)
        await self.at_post()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def account(self) -> Account | None:
        await self.before_post()
        if isinstance(self.balance, Exception):
            raise self.balance
        return self.balance

    async def fetch(self, task_id: str) -> Report:
        report = self.shown[task_id]
        if isinstance(report, Exception):
            raise report
        return report

    async def close(self) -> None:
        """Keep nothing."""

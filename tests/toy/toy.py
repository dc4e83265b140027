"""The toy: a service as small as one can be, behind an adapter like any other.

`tests/test_new_service.py` puts this file into a copy of the package, beside the other adapters.
"""

from urllib.parse import quote

from song_mcp.errors import InvalidRequestError
from song_mcp.providers import verdict
from song_mcp.providers.base import Accepted, Account, Submission, account_tag
from song_mcp.providers.http import Reply, ServiceHttp
from song_mcp.providers.replies import to_number, to_object, to_url, usable_id
from song_mcp.providers.verdict import Envelope
from song_mcp.songs import SERVICES, Clip, LyricsRequest, Report, Request

SERVICE = SERVICES["toy"]


class Toy:
    """The toy behind the account of `key`."""

    service = SERVICE.name

    def __init__(self, key: str, base_url: str, *, proxy: str = "") -> None:
        self.account_tag = account_tag(self.service, base_url, key)
        self._http = ServiceHttp(SERVICE, base_url, {"X-Toy-Key": key}, [key], proxy=proxy)

    def prepare(self, request: Request) -> Submission:
        """Translate a request; the toy writes no lyrics."""
        if isinstance(request, LyricsRequest):
            raise InvalidRequestError("The toy writes no lyrics. Nothing was sent or paid.")
        return Submission(self.service, "/songs", {"wish": request.description})

    async def submit(self, submission: Submission) -> Accepted:
        """Make the one POST."""
        reply = await self._http.post(submission.path, submission.body, submission.deadline_s)
        return Accepted(verdict.accepted_id(self.service, reply, _envelope(reply)))

    async def fetch(self, task_id: str) -> Report:
        """Look at one task; the toy's songs are ready at once."""
        reply = await self._http.get(f"/songs/{quote(task_id, safe='')}")
        verdict.check_look(self.service, reply, _envelope(reply), task_id=task_id)
        audio_url = to_url(to_object(reply.body).get("audio"))
        clip = Clip(f"{task_id}-clip", "completed", title="A toy", audio_url=audio_url)
        return Report(task_id, "completed", "there", model="toy-1", clips=(clip,))

    async def account(self) -> Account:
        """Look at what is left on the account."""
        reply = await self._http.get("/purse")
        return Account(balance_usd=to_number(to_object(reply.body).get("left")))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _envelope(reply: Reply) -> Envelope:
    task_id = usable_id(to_object(reply.body).get("song"))
    return Envelope(task_id=task_id, is_service=bool(task_id))

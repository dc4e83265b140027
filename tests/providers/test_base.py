import hashlib

import pytest

from song_mcp.providers.base import Submission, account_tag


def test_what_reaches_the_wire_makes_the_fingerprint() -> None:
    one = Submission("piapi", "/x", {"a": 1, "b": "ü\ud800"})
    same = Submission("piapi", "/x", {"b": "ü\ud800", "a": 1}, deadline_s=130)
    others = [
        Submission("gptge", "/x", one.body),
        Submission("piapi", "/y", one.body),
        Submission("piapi", "/x", {"a": 2, "b": "ü\ud800"}),
    ]
    assert same.fingerprint == one.fingerprint
    assert one.fingerprint not in {other.fingerprint for other in others}


@pytest.mark.parametrize(
    ("spelled", "normal"),
    [
        ("HTTPS://API.PiAPI.ai", "https://api.piapi.ai"),
        ("https://api.piapi.ai:443/", "https://api.piapi.ai"),
        ("https://api.piapi.ai.", "https://api.piapi.ai"),
        ("https://api.piapi.ai:8443/V1/", "https://api.piapi.ai:8443/V1"),
        ("http://localhost:80", "http://127.0.0.1"),
        ("http://LOCALHOST:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://127.0.0.1:8080"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
    ],
)
def test_spellings_of_one_base_url_are_one_account(spelled: str, normal: str) -> None:
    assert account_tag("piapi", spelled, "key") == account_tag("piapi", normal, "key")
    as_before = hashlib.sha256(f"piapi {normal} key".encode()).hexdigest()[:12]
    assert account_tag("piapi", normal, "key") == as_before, "journals hold the marks of before"


def test_keys_services_ports_paths_and_hosts_tell_accounts_apart() -> None:
    marks = {
        account_tag("piapi", "https://x.ai", "key"),
        account_tag("gptge", "https://x.ai", "key"),
        account_tag("piapi", "https://x.ai", "Key"),
        account_tag("piapi", "https://x.ai:80", "key"),
        account_tag("piapi", "https://x.ai/a", "key"),
        account_tag("piapi", "https://y.ai", "key"),
        account_tag("piapi", "http://x.ai", "key"),
    }
    assert len(marks) == 7

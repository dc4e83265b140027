from song_mcp.providers.base import Submission


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

"""The two models and what each starts from."""

from kidneyct.pipeline import roles


def test_the_candidate_alone_starts_from_what_is_asked():
    assert roles.starts("imagenet") == {"candidate": "imagenet", "control": "none"}

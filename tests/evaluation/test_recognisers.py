"""Every recogniser that the package installs can be made by its name, has weights that are there, and a label."""

import pytest

from emotrace.evaluation import ASR, ASV, SER

INSTALLED = [(kind, name) for kind in (ASR, ASV, SER) for name in kind if name != "vpc"]
"""VoicePrivacy's need checkpoints; tests/released has them."""


@pytest.mark.parametrize(("registry", "name"), INSTALLED, ids=lambda value: getattr(value, "kind", value))
def test_a_recogniser_is_made_by_its_name_of_weights_that_are_there(registry, name):
    backend = registry.find(name)
    assert isinstance(backend.make("cpu"), backend)
    assert all(path.is_file() for path in backend.files())


def test_recognisers_of_emotion_have_labels_of_their_own_and_features_of_a_known_origin():
    backends = {name: SER.find(name) for name in SER}
    assert len({backend.label for backend in backends.values()}) == len(SER)
    assert {backend.embedding for backend in backends.values()} <= {"", *ASV}


@pytest.mark.parametrize("registry", [ASR, ASV, SER], ids=lambda registry: registry.kind)
def test_an_unknown_name_is_refused_with_the_known_ones(registry):
    with pytest.raises(ValueError, match=f"unknown {registry.kind} 'nobody'; there are: {', '.join(registry)}"):
        registry.find("nobody")

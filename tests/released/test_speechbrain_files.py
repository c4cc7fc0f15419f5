"""speechbrain's hyperparams.yaml and label files, read as data: nothing in them is run."""

import pytest
from speechbrain.dataio.encoder import CTCTextEncoder
from stand_ins import SMALL
from stand_ins.speechbrain_folders import write_asr

from emotrace.released.files import Hyperparams, Tagged, read_labels
from emotrace.weights import CheckpointError


def test_tags_are_kept_as_data_and_nothing_is_run(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "hyperparams.yaml"
    path.write_text(
        f"x: !apply:os.mkdir [{marker}]\ny: !new:os.mkdir\n    path: {marker}\nz: !name:os.mkdir\n"
        "n: 3\nlist: [!ref <n>, !ref <alias>]\nalias: !ref <n>\nw: !include:/etc/passwd\n"
        "obj: !new:a.B\n    size: !ref <alias>\n    sizes: [1, !ref <n>]\n    text: !ref <n>/path\n"
    )
    read = Hyperparams.read(path)
    assert not marker.exists()
    assert read.values["x"] == Tagged("apply:os.mkdir", [str(marker)]) and read.values["z"].target == "os.mkdir"
    assert read.resolved(read.values["list"]) == [3, 3]
    assert read.arguments("obj", of=r"a\.B") == {"size": 3, "sizes": [1, 3], "text": Tagged("ref", "<n>/path")}


@pytest.mark.parametrize("text", ["!!python/object/apply:os.mkdir [{}]", "!!python/object/new:os.mkdir [{}]"])
def test_pythons_own_yaml_tags_are_refused(tmp_path, text):
    path = tmp_path / "hyperparams.yaml"
    path.write_text(f"x: {text.format(tmp_path / 'ran')}\n")
    with pytest.raises(CheckpointError, match="not a hyperparams.yaml"):
        Hyperparams.read(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("text", ["a: !ref <a>", "a: !ref <b>\nb: !ref <a>", "a: !ref <nothing>", "a: &a [*a]"])
def test_references_in_a_circle_or_to_nothing_are_refused(tmp_path, text):
    path = tmp_path / "hyperparams.yaml"
    path.write_text(text)
    read = Hyperparams.read(path)
    with pytest.raises(CheckpointError, match="leads nowhere|more than 20 deep"):
        read.resolved(read.values["a"])


def test_labels_are_speechbrains(tmp_path):
    path = write_asr(tmp_path, SMALL) / "asr" / "tokenizer.ckpt"
    tokenizer = CTCTextEncoder()
    tokenizer.load(path)
    assert read_labels(path) == tokenizer.ind2lab

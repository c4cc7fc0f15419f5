"""VoicePrivacy's recognisers from their released folders, against speechbrain's own modules."""

import shutil

import jiwer
import numpy as np
import pyloudnorm
import pytest
import torch
from speechbrain.dataio.encoder import CategoricalEncoder, CTCTextEncoder
from speechbrain.decoders import ctc_greedy_decode
from speechbrain.inference.classifiers import EncoderClassifier
from speechbrain.integrations.huggingface.wav2vec2 import Wav2Vec2
from speechbrain.lobes.models.VanillaNN import VanillaNN
from speechbrain.nnet.containers import LengthsCapableSequential
from speechbrain.nnet.linear import Linear
from speechbrain.nnet.pooling import StatisticsPooling
from stand_ins import SMALL
from stand_ins.speechbrain_folders import EMOTIONS, write_asr, write_asv, write_labels, write_ser
from torch import nn
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor

from emotrace.corpus.audio import AudioError
from emotrace.corpus.datadir import Emotion
from emotrace.evaluation import ASR, ASV, SER
from emotrace.released.checkpoints import MissingCheckpointError
from emotrace.released.vpc import VpcAsr, VpcAsv, VpcSer
from emotrace.weights import CheckpointError


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """The three models, shrunk and random, in their released folders."""
    torch.manual_seed(0)
    home = tmp_path_factory.mktemp("checkpoints")
    writers = {"vpc_asv_orig": write_asv, "vpc_asr": write_asr, "vpc_ser": write_ser}
    return {name: write(home / name, SMALL) for name, write in writers.items()}


@pytest.fixture
def in_place(released, monkeypatch):
    """The checkpoint folder that the three lie in."""
    monkeypatch.setenv("EMOTRACE_CHECKPOINTS", str(released["vpc_asr"].parent))


@pytest.fixture(scope="module")
def waveform():
    generator = torch.Generator().manual_seed(3)
    return (0.1 * torch.randn(8_000, generator=generator).cumsum(0) / 10).numpy()


def test_ecapa_is_speechbrains_classifier_by_its_own_interface(released, waveform, tmp_path, oracle):
    """speechbrain's HyperPyYAML route, on a folder that this test itself wrote."""
    source = released["vpc_asv_orig"] / "asv_orig"
    shutil.copytree(source, tmp_path / "asv")
    yaml = (tmp_path / "asv" / "hyperparams.yaml").read_text()
    modules = "modules:\n" + "".join(
        f"    {name}: !ref <{name}>\n"
        for name in ("compute_features", "mean_var_norm", "embedding_model", "classifier")
    )
    classifier = "classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier\n    input_size: 192\n"
    se_channels = f"    lin_neurons: 192\n    se_channels: {SMALL.attention}\n"
    yaml = yaml.replace("pretrained_path: exp/asv_orig", f"pretrained_path: {tmp_path / 'asv'}")
    yaml = yaml.replace("    lin_neurons: 192\n", se_channels).replace(
        "pretrainer:", classifier + modules + "pretrainer:"
    )
    (tmp_path / "asv" / "hyperparams.yaml").write_text(yaml)
    theirs = EncoderClassifier.from_hparams(source=str(tmp_path / "asv"), savedir=str(tmp_path / "asv"))
    meter = pyloudnorm.Meter(16_000)
    silence = np.zeros(300, dtype=np.float32)
    speech = np.concatenate([silence, waveform, silence])
    # VoicePrivacy's order: loudness to -30 LUFS, peak to 1, zeros cut at both ends
    loud = pyloudnorm.normalize.loudness(speech, meter.integrated_loudness(speech), -30.0)
    normalised = np.trim_zeros(loud / np.abs(loud).max()).astype(np.float32)
    expected = theirs.encode_batch(torch.from_numpy(normalised)[None]).squeeze()
    ours = VpcAsv(released["vpc_asv_orig"]).embed(speech)
    assert ours.dtype == np.float32 and ours.std() > 0.01
    oracle("VoicePrivacy's ECAPA-TDNN", "SpeechBrain's EncoderClassifier", ours, expected.numpy(), 1e-4)


def test_silence_and_nan_have_no_speaker(released):
    encoder = VpcAsv(released["vpc_asv_orig"])
    with pytest.raises(AudioError, match="silence"):
        encoder.embed(np.zeros(16_000, dtype=np.float32))
    with pytest.raises(AudioError, match="NaN"):
        encoder.embed(np.full(16_000, np.nan, dtype=np.float32))
    with pytest.raises(ValueError, match="at least 800"):
        encoder.embed(np.ones(799, dtype=np.float32))


def test_another_ecapa_by_its_hyperparameters_is_refused(released, tmp_path):
    shutil.copytree(released["vpc_asv_orig"], tmp_path / "asv")
    path = tmp_path / "asv/asv_orig/hyperparams.yaml"
    path.write_text(path.read_text().replace("dilations: [1, 2, 3, 4, 1]", "dilations: [1, 2, 3, 5, 1]"))
    with pytest.raises(CheckpointError, match=r"dilations \[1, 2, 3, 5, 1\]"):
        VpcAsv(tmp_path / "asv")


# ---- as a profile names them ----------------------------------------------------------------------------------------


RECOGNISERS = pytest.mark.parametrize("registry", [ASR, ASV, SER], ids=["asr", "asv", "ser"])


@RECOGNISERS
def test_a_recogniser_is_made_of_the_checkpoint_that_the_registry_finds(registry, in_place, waveform):
    recogniser = registry.find("vpc").make("cpu")
    if registry is ASR:
        assert recogniser.transcribe(waveform).text
    elif registry is ASV:
        assert recogniser.embed(waveform).shape == (192,)
    else:
        assert set(recogniser.posteriors(waveform, "5")) == set(Emotion)
        assert "VoicePrivacy" in recogniser.label and recogniser.embedding == ""


@RECOGNISERS
def test_a_missing_checkpoint_is_named(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTRACE_CHECKPOINTS", str(tmp_path))
    backend = registry.find("vpc")
    for call in (backend.make, backend.files):
        with pytest.raises(MissingCheckpointError, match=f"checkpoint '{backend.checkpoint}'"):
            call()


@RECOGNISERS
def test_results_depend_on_every_file_of_the_checkpoint(registry, released, in_place):
    backend = registry.find("vpc")
    everything = {path for path in released[backend.checkpoint].rglob("*") if path.is_file()}
    assert set(backend.files()) == everything and len(backend.files()) == len(everything) > 2


# ---- wav2vec 2.0: recognition of words and emotions, against speechbrain's own modules ------------------------------


def speechbrains_wav2vec2(path, folder, *, large):
    """speechbrain's lobe on a local transformers folder, filled from the released file."""
    width, feed_forward, layers = SMALL.large if large else (SMALL.hidden, SMALL.feed_forward, SMALL.layers)
    Wav2Vec2Config(
        hidden_size=width,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=12,
        conv_dim=(SMALL.conv,) * 7,
        conv_bias=large,
        feat_extract_norm="layer" if large else "group",
        do_stable_layer_norm=large,
    ).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    lobe = Wav2Vec2(str(folder), save_path=str(folder), output_norm=True, freeze=True)
    lobe.load_state_dict(torch.load(path, weights_only=True))
    return lobe.eval()


@torch.no_grad()
def test_words_are_those_of_speechbrains_modules(released, waveform, tmp_path, monkeypatch, oracle):
    folder = released["vpc_asr"] / "asr"
    monkeypatch.setattr(Wav2Vec2, "_from_pretrained", _untrained, raising=True)
    wav2vec2 = speechbrains_wav2vec2(folder / "wav2vec2.ckpt", tmp_path / "hub", large=True)
    width = SMALL.large[0]
    enc, ctc = VanillaNN([None, None, width], nn.LeakyReLU, 2, width), Linear(31, input_size=width)
    nn.ModuleList([enc, ctc]).load_state_dict(torch.load(folder / "asr.ckpt", weights_only=True))
    tokenizer = CTCTextEncoder()
    tokenizer.load(folder / "tokenizer.ckpt")
    encoder = LengthsCapableSequential(wav2vec2=wav2vec2, enc=enc, ctc_lin=ctc)
    recogniser = VpcAsr(released["vpc_asr"])
    transcripts = set()
    for level in (0.01, 1.0):
        for shift in (0, 1000, 3000):
            samples = torch.from_numpy(level * waveform[shift:])[None]
            tokens = ctc_greedy_decode(encoder(samples, torch.ones(1)), torch.ones(1), blank_id=0)
            expected = "".join(tokenizer.decode_ndim(tokens[0]))
            ours = recogniser.transcribe(samples[0].numpy()).text
            theirs = " ".join(word.strip("'") for word in expected.split() if word.strip("'"))
            rate = jiwer.cer(theirs, ours)
            oracle("character errors of VoicePrivacy's ASR", "SpeechBrain's modules", rate, 0.0, 0)
            transcripts.add(ours)
    assert len(transcripts) >= 3 and all(transcripts)


@torch.no_grad()
def test_emotions_are_those_of_speechbrains_modules(released, waveform, tmp_path, monkeypatch, oracle):
    monkeypatch.setattr(Wav2Vec2, "_from_pretrained", _untrained, raising=True)
    recogniser = VpcSer(released["vpc_ser"])
    for fold in ("1", "4"):
        (folder,) = (released["vpc_ser"] / "ser" / f"fold_{fold}").iterdir()
        lobe = speechbrains_wav2vec2(folder / "wav2vec2.ckpt", tmp_path / fold, large=False)
        mlp = Linear(4, input_size=SMALL.hidden, bias=False)
        nn.ModuleList([mlp]).load_state_dict(torch.load(folder / "model.ckpt", weights_only=True))
        labels = CategoricalEncoder()
        labels.load(folder / "label_encoder.txt")
        pooled = StatisticsPooling(return_std=False)(lobe(torch.from_numpy(waveform)[None]), torch.ones(1))
        expected = mlp(pooled.view(1, -1)).softmax(dim=-1)[0]
        posteriors = recogniser.posteriors(waveform, fold)
        assert sum(posteriors.values()) == pytest.approx(1, abs=1e-6)
        for index, label in labels.ind2lab.items():
            posterior = posteriors[Emotion(label)]
            oracle(
                "VoicePrivacy's posteriors of emotions",
                "SpeechBrain's modules",
                posterior,
                float(expected[index]),
                2e-4,
            )
        assert max(posteriors, key=posteriors.get) == labels.ind2lab[int(expected.argmax())]
    assert recogniser.posteriors(waveform, "1") != recogniser.posteriors(waveform, "4")


def _untrained(self, source, **options):
    """speechbrain would look for weights in the folder; the test fills them in from the released file."""
    self.model = self.auto_class.from_config(self.config)


def test_the_level_of_the_waveform_does_not_matter(released, waveform):
    recogniser = VpcSer(released["vpc_ser"])
    loud, soft = (recogniser.posteriors(gain * waveform, "2") for gain in (1.0, 0.1))
    assert loud == pytest.approx(soft, abs=1e-3)


def test_an_unknown_fold_lists_the_known_ones(released, waveform):
    with pytest.raises(CheckpointError, match="fold '6'; there are 1, 2, 3, 4, 5"):
        VpcSer(released["vpc_ser"]).posteriors(waveform, "6")


@pytest.mark.parametrize("waveform", [np.full(8000, np.nan, np.float32), np.zeros((2, 800)), np.ones(399)])
def test_waveforms_without_words_or_emotion_are_refused(released, waveform):
    with pytest.raises(ValueError, match=r"\(T,\)|400"):
        VpcAsr(released["vpc_asr"]).transcribe(waveform)
    with pytest.raises(ValueError, match=r"\(T,\)|400"):
        VpcSer(released["vpc_ser"]).posteriors(waveform, "1")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("label_encoder.txt", "'neu' => 0\n'ang' => 1\n'hap' => 2\n'xyz' => 3\n================\n", "labels .*xyz"),
        ("label_encoder.txt", "'neu' => 0\n'ang' => 0\n================\n", "an index twice"),
        ("label_encoder.txt", "__import__('os').mkdir('x') => 0\n================\n", "not a label file"),
        ("label_encoder.txt", "'neu' => 0\n", "not a label file"),
        ("hyperparams.yaml", "a: [", "not a hyperparams.yaml"),
        ("hyperparams.yaml", "- 1", "no mapping"),
        ("hyperparams.yaml", "[" * 5000, "not a hyperparams.yaml"),
        ("hyperparams.yaml", "avg_pool: !new:os.system\n  command: mkdir x", "avg_pool is 'os.system'"),
        ("model.ckpt", "", "damaged"),
    ],
)
def test_a_damaged_emotion_model_is_one_clear_error(released, waveform, tmp_path, file, content, message):
    shutil.copytree(released["vpc_ser"] / "ser" / "fold_3", tmp_path / "fold_3")
    (path,) = tmp_path.rglob(file)
    path.write_text(content)
    with pytest.raises(CheckpointError, match=f"{file}.*{message}"):
        VpcSer(tmp_path).posteriors(waveform, "3")


def test_the_tokenizer_has_to_cover_the_outputs(released, tmp_path):
    shutil.copytree(released["vpc_asr"], tmp_path / "asr")
    write_labels(tmp_path / "asr/asr/tokenizer.ckpt", ("<blank>", "A", "B"), {})
    with pytest.raises(CheckpointError, match="31 outputs, but 3 labels"):
        VpcAsr(tmp_path / "asr")


def test_the_newest_checkpoint_folder_counts(released, tmp_path):
    source = next((released["vpc_ser"] / "ser" / "fold_1").iterdir())
    for day, labels in (("01", EMOTIONS), ("02", EMOTIONS[::-1])):
        folder = tmp_path / "fold_1" / f"CKPT+2024-01-{day}"
        shutil.copytree(source, folder)
        write_labels(folder / "label_encoder.txt", labels, {"starting_index": 0})
    first, newest = (VpcSer(path) for path in (released["vpc_ser"], tmp_path))
    waveform = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    pairs = dict(zip(map(Emotion, EMOTIONS), map(Emotion, EMOTIONS[::-1]), strict=True))
    expected = {pairs[emotion]: value for emotion, value in first.posteriors(waveform, "1").items()}
    assert newest.posteriors(waveform, "1") == pytest.approx(expected)

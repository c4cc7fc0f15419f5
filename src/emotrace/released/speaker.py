"""The released speaker embeddings: speechbrain's ECAPA-TDNN networks and STTTS's style encoder."""

from __future__ import annotations

from pathlib import Path

from emotrace.released.weights import fill, read_weights, shape, tensors
from emotrace.representation.ecapa import N_MELS, Ecapa
from emotrace.representation.gst import GstEncoder
from emotrace.weights import CheckpointError

BLOCKS = 4  # before the aggregation


def ecapa_voxceleb(path: Path) -> Ecapa:
    """An embedding_model.ckpt of speechbrain's ECAPA-TDNN, its widths read off the weights.

    speechbrain/spkrec-ecapa-voxceleb has 1024 channels; SSL-SAS's own and VoicePrivacy 2024's have 512. Raises
    CheckpointError for a missing, damaged or foreign file, and for one that holds code.
    """
    path = Path(path)
    state = tensors(read_weights(path), path)
    first, bands, _ = shape(state, "blocks.0.conv.conv.weight", path)
    attention = shape(state, "asp.tdnn.conv.conv.weight", path)[0]
    squeezed = shape(state, "blocks.1.se_block.conv1.conv.weight", path)[0]
    if bands != N_MELS or attention != squeezed:
        raise CheckpointError(
            f"{path}: an ECAPA-TDNN on {bands} bands with {attention} attention and {squeezed} squeeze channels; "
            f"{N_MELS} bands and as many of one as of the other are expected"
        )
    blocks = [shape(state, f"blocks.{n}.tdnn2.conv.conv.weight", path)[0] for n in range(1, BLOCKS)]
    channels = [first, *blocks, shape(state, "mfa.conv.conv.weight", path)[0]]
    ecapa = Ecapa(channels, dims=shape(state, "fc.conv.weight", path)[0], attention=attention)
    fill(ecapa.model, state, path)
    return ecapa.eval()


def style_encoder(path: Path) -> GstEncoder:
    """STTTS's embedding_function.pt, {"style_emb_func": state dict of IMS-Toucan's style encoder}.

    Raises CheckpointError for a missing, damaged or foreign file, and for one that holds code.
    """
    path = Path(path)
    state = tensors(read_weights(path), path, "style_emb_func")
    tokens = shape(state, "gst.stl.gst_embs", path)[0]
    return fill(GstEncoder(tokens=tokens), state, path)

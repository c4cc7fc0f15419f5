"""speechbrain's label files (tokenizer.ckpt, label_encoder.txt): lines of a Python literal, " => " and its index."""

from __future__ import annotations

import ast
from pathlib import Path

from emotrace.weights import CheckpointError

SEPARATOR = " => "
END = "================"  # what follows are options of speechbrain's encoder


def read_labels(path: Path) -> dict[int, str]:
    """Index -> label, e.g. {0: "<blank>", 3: "A"}. Only literals are read, nothing is evaluated.

    Raises CheckpointError when the file is missing, damaged, or has an index twice.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        entries = [line.rsplit(SEPARATOR, 1) for line in lines[: lines.index(END)]]
        pairs = [(int(index), ast.literal_eval(label)) for label, index in entries]
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a label file of speechbrain ({error})") from error
    labels = dict(pairs)
    if not labels or len(labels) != len(pairs) or not all(isinstance(label, str) for label in labels.values()):
        raise CheckpointError(f"{path}: not a label file of speechbrain: empty, an index twice, or a label of no text")
    return labels

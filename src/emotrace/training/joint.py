"""Joint models: the two stages of an IR learn on as one network, by the losses and discriminators of HiFi-GAN."""

from functools import partial

import torch

from emotrace.representation.spec import IRSpec
from emotrace.training.data import models_of
from emotrace.training.loop import TrainingRecord
from emotrace.training.run import TrainingRun
from emotrace.training.vocoder import SEGMENT, UtteranceFeatures, VocoderTraining
from emotrace.vocoder.joint import JointGenerator
from emotrace.vocoder.universal import load_acoustic


def train_joint(run: TrainingRun, spec: IRSpec) -> None:
    """The joint model of one IR, from its acoustic model. Raises ModelError where that is not there."""
    data, config = run.augmented_set.at_least(SEGMENT), run.steps.joint
    features = UtteranceFeatures(run.features.irs(data, spec))
    torch.manual_seed(run.seed)
    acoustic = f"acoustic-{spec.name}"
    generator = JointGenerator(load_acoustic(run.models, acoustic))
    options = {"discriminators": config.discriminators, "batch_size": config.batch_size, "seed": run.seed}
    recipe = VocoderTraining(generator, data.waveforms, features, **options)
    save = partial(_save, run, spec, generator)
    options = {"needs": (*models_of(spec), acoustic), "settings": config}
    options |= {"snapshots": config.snapshots, "snapshot": save}
    save(run.fit(f"joint-{spec.name}", recipe, config.steps, **options))


def _save(run: TrainingRun, spec: IRSpec, generator: JointGenerator, record: TrainingRecord) -> None:
    """Save a model as it is after the steps of the record: a snapshot, or, at the last step, the model itself."""
    name = f"joint-{spec.name}" if record.steps == run.steps.joint.steps else f"joint-{spec.name}-step{record.steps}"
    config = generator.acoustic.config
    purpose = f"IR {spec.name} ({config.in_channels} channels, 100 frames/s) -> waveform, the two stages as one network"
    notes = f"Begun with acoustic-{spec.name} and the released universal HiFi-GAN, whose weights stay; a scale and a "
    notes += f"shift of every channel of it learned. Batch of {run.steps.joint.batch_size}."
    run.save(name, generator.weights(frozen=False), vars(config), purpose, {"joint": record}, notes=notes)

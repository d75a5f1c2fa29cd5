"""Training of the embedded model on simulated participants, with the commands of the package.

    python scripts/train_embedded.py OUT [--n-participants 24] [--n-epochs 16] [--work FOLDER]

The model is for trying the software: its training data are simulated. OUT is a new folder; copy it to
``bids_deeptaskgen/data/embedded`` to include it in the package. With 24 participants, training takes about
half an hour on two cores and 6 GB of disk in FOLDER. An interrupted run continues from FOLDER.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from bids_deeptaskgen.bids.measured_maps import measured_folder
from bids_deeptaskgen.cli import log_setup as logs
from bids_deeptaskgen.commands import participant, simulate, train
from bids_deeptaskgen.models.bundle import BRAIN_MASK, OUTPUT_MASK, ROIS, load_bundle
from bids_deeptaskgen.models.bundle_writer import save_bundle
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.simulation import SimulateSettings
from bids_deeptaskgen.settings.training import TrainSettings
from bids_deeptaskgen.simulation.random_model import random_bundle

SEED = 20_260_101  # for training; users choose small seeds, so no user simulates the training participants
N_VOLUMES, N_DUMMIES, T_R = 200, 2, 2.0
FDIM = 16
VALIDATION_SHARE = 0.125

DESCRIPTION = "Small network of the published architecture, for trying the software and for its tests."
NOTICE = (
    "This model was trained on simulated participants. Use it to try the software, not for science: its maps "
    "carry no information about any brain."
)


def main():
    """Simulate participants, compute connectomes, train, and save a small bundle for the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of the new model")
    parser.add_argument("--n-participants", type=int, default=24, help="participants to simulate")
    parser.add_argument("--n-epochs", type=int, default=16, help="epochs of training")
    parser.add_argument("--work", type=Path, help="folder for intermediate files (default: OUT.work)")
    options = parser.parse_args()
    logs.set_up(0)
    work = (options.work or options.out.with_name(f"{options.out.name}.work")).absolute()
    work.mkdir(parents=True, exist_ok=True)
    # Connectomes need its ROI maps and masks. Its weights are not used.
    base = load_bundle(random_bundle(work / "base", FDIM))
    participants, maps = work / "fmriprep", work / "maps"
    prepared = work / "prepared"
    if not prepared.exists():
        simulate.run(
            SimulateSettings(
                out=participants, n_participants=options.n_participants, n_volumes=N_VOLUMES, t_r=T_R,
                n_dummies=N_DUMMIES, dtype="int16", seed=SEED,
            )
        )  # fmt: skip
        # One contrast only, because the maps of random weights are not used.
        code = participant.run(
            ParticipantSettings(
                bids_dir=participants,
                output_dir=maps,
                model=str(base.folder),
                save_connectome=True,
                contrasts=("wm2bk",),
            )
        )
        if code:
            raise SystemExit(code)
        prepared.touch()
    if not (work / "embedded").exists():
        train.run(
            TrainSettings(
                out=work / "embedded",
                model=str(base.folder),
                connectomes=maps,
                statmaps=measured_folder(participants),
                validation_share=VALIDATION_SHARE,
                test_share=0.0,
                fdim=FDIM,
                loss="mse",
                epochs=options.n_epochs,
                batch_size=1,
                learning_rate=3e-3,
                schedule="cosine",
                seed=SEED,
                device="cpu",
                calibration=False,
            )
        )
    bundle = load_bundle(work / "embedded")
    card = replace(
        bundle.card,
        description=DESCRIPTION,
        training=f"simulated participants: {bundle.card.training}",
        licence=base.card.licence,
        for_science=False,
        notice=NOTICE,
    )
    # The mean maps are omitted, because they are much larger than all other files together.
    rois, brain, output = (bundle.folder / name for name in (ROIS, BRAIN_MASK, OUTPUT_MASK))
    save_bundle(
        options.out,
        card,
        bundle.weights(),
        rois,
        (brain, output),
        roi_connectomes=bundle.connectome_distribution(),
    )


if __name__ == "__main__":
    main()

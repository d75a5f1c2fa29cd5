"""Fetching a published model by name: its files, checked, and the bundle that is made of them."""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import atomic_path, remove_stale_files, replace_folder, temporary_sibling
from bids_deeptaskgen.io.download import RetryPolicy, describe_mismatch, download, is_valid
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.bundle import Bundle, load_bundle
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.models.channels import number_channels
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.models.describe import describe
from bids_deeptaskgen.models.registry import PublishedFile, PublishedModel, published_models
from bids_deeptaskgen.models.store import EMBEDDED, downloads_home, models_home
from bids_deeptaskgen.settings.models import ModelsFetchSettings

# Whoever names a whole disk by mistake should not wait for its end.
_DEEPEST = 5
_MOST_FOLDERS = 2_000


def run(settings: ModelsFetchSettings) -> int:
    """Fetch a published model.

    Parameters
    ----------
    settings : ModelsFetchSettings

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    UserError
        If there is no such model, its files cannot be had, or something else of that name is there.
    OSError
        If the disk is full or cannot be written.
    """
    model = find_published(settings.name)
    folder = models_home() / model.name
    if not settings.overwrite and installed(model, folder):
        sys.stdout.write(
            f"{model.name} is there already, in {folder}; its files are as they should be.\n"
            f"`deeptaskgen models info {model.name}` says what it is.\n"
        )
        return 0
    bundle = fetch_model(model, settings.from_folder, RetryPolicy(), overwrite=settings.overwrite)
    sys.stdout.write(
        f"{model.name} is in {folder} now.\nIts files are not part of this software. They have a licence "
        f"of their own, see below, which binds whoever passes them on.\n\n{describe(bundle)}"
    )
    return 0


def find_published(name: str) -> PublishedModel:
    """Look a published model up in the registry.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    models = published_models()
    if name in models:
        return models[name]
    why = "it comes with this software" if name == EMBEDDED else "no published model has that name"
    message = (
        f"{name!r} cannot be fetched: {why}. Those that can: {', '.join(models)}.\n"
        "A checkpoint of your own becomes a model by `deeptaskgen models import`."
    )
    raise UserError(message)


def fetch_model(
    model: PublishedModel, from_folder: Path | None, retry_policy: RetryPolicy, *, overwrite: bool = False
) -> Bundle:
    """Bring a model's files here and make its bundle, whole or not at all.

    Files are kept in `downloads_home` under their hashes, so that a second try, and the next model, need
    only what is not there yet.

    Parameters
    ----------
    model : PublishedModel
    from_folder : Path or None
        Folder with files brought by hand; None fetches them from the network.
    retry_policy : Patience
        How long to wait for the network.
    overwrite : bool
        Whether to replace what is in the model's place.

    Returns
    -------
    Bundle
        In `models_home`, under the model's name.

    Raises
    ------
    UserError
        If files cannot be had or do not fit each other, or something else is in the model's place.
    """
    folder = models_home() / model.name
    remove_stale_files(downloads_home())
    remove_stale_files(models_home(), below=False)
    if from_folder:
        _take(model, from_folder)
    else:
        _download(model, retry_policy)
    output_mask, rois, checkpoint = (_kept(file) for file in model.files)
    staged = temporary_sibling(folder, "new") if overwrite else folder
    # Imported here because torch and nilearn take seconds.
    from bids_deeptaskgen.nn.new_bundle import bundle_from_checkpoint

    try:
        bundle = bundle_from_checkpoint(
            staged, checkpoint, rois, output_mask, lambda shape: _card(model, shape)
        )
    except UserError:
        # Another process may have been faster; the same model is the same, whoever made it.
        if overwrite or not (made := installed(model, folder)):
            raise
        return made
    return _replaced(bundle, folder) if overwrite else bundle


def installed(model: PublishedModel, folder: Path) -> Bundle | None:
    """Open the bundle of a published model, if it is there.

    Parameters
    ----------
    model : PublishedModel
    folder : Path
        Its place.

    Returns
    -------
    Bundle or None
        None if there is nothing.

    Raises
    ------
    UserError
        If what is there is damaged, or was made of other files than the published ones.
    """
    if not folder.exists():
        return None
    way_out = (
        f"`deeptaskgen models fetch {model.name} --overwrite` replaces it; or give that folder another name."
    )
    try:
        bundle = load_bundle(folder)
    except UserError as error:
        message = f"{error}\n{way_out}"
        raise UserError(message) from error
    if _origin(model) not in bundle.card.training:
        message = (
            f"{folder}: there is a model of this name, but it was not made of the files that are published "
            f"now. It says of its training: {bundle.card.training}\n{way_out}"
        )
        raise UserError(message)
    return bundle


def _kept(file: PublishedFile) -> Path:
    """Give the place of a file that was fetched: under its hash, since names may be used again."""
    return downloads_home() / file.git_blob_sha1 / file.name


def _download(model: PublishedModel, retry_policy: RetryPolicy) -> None:
    missing = [file for file in model.files if not is_valid(_kept(file), file.git_blob_sha1)]
    wanted = "".join(_wanted(file, f"or put it at {_kept(file)}") for file in missing)
    advice = (
        f"Try again later, or bring what is missing by hand: put it into a folder and run\n"
        f"`deeptaskgen models fetch {model.name} --from FOLDER`:\n{wanted}".rstrip()
    )
    for file in missing:
        download(file.url, _kept(file), file.git_blob_sha1, advice, retry_policy)


def _take(model: PublishedModel, folder: Path) -> None:
    """Copy a model's files from a folder, all of them or none."""
    by_name, whole = _search(folder, {file.name for file in model.files})
    sources, missing = {}, []
    for file in model.files:
        found = by_name[file.name]
        if is_valid(_kept(file), file.git_blob_sha1):
            continue
        faults = {path: describe_mismatch(path, file.git_blob_sha1) for path in found}
        if right := [path for path, fault in faults.items() if fault is None]:
            sources[file] = right[0]
        else:
            missing.append(_wanted(file, *(f"found {path}: {fault}" for path, fault in faults.items())))
    if missing:
        searched = "" if whole else f" (only its first {_MOST_FOLDERS:,} folders were searched)"
        message = (
            f"{folder}: {len(missing)} of the {len(model.files)} files of {model.name} cannot be taken from "
            f"there{searched}. Bring them under these names, and run this again:\n{''.join(missing).rstrip()}"
        )
        raise UserError(message)
    for file, source in sources.items():
        with atomic_path(_kept(file)) as temporary:
            shutil.copyfile(source, temporary)
            if differs := describe_mismatch(temporary, file.git_blob_sha1):
                message = f"{source}: while it was copied it became another file: {differs}. Run this again."
                raise UserError(message)


def _search(folder: Path, names: set[str]) -> tuple[dict[str, list[Path]], bool]:
    """Find files by name in a folder and below; tell too whether all of it was searched."""
    if not folder.is_dir():
        message = f"{folder}: no such folder. Give --from the folder to which the files were brought."
        raise UserError(message)
    found: dict[str, list[Path]] = {name: [] for name in names}
    for n_folders, (parent, folders, files) in enumerate(os.walk(folder)):
        if n_folders == _MOST_FOLDERS:
            return found, False
        folders.sort()
        if len(Path(parent).relative_to(folder).parts) == _DEEPEST:
            folders.clear()
        for name in names.intersection(files):
            found[name].append(Path(parent, name))
    return found, True


def _wanted(file: PublishedFile, *more: str) -> str:
    """Say what a file is called and where it is from, in lines."""
    rows = [f"from {file.address}", f"git blob sha1 {file.git_blob_sha1}", *more]
    return f"  {file.name}\n" + "".join(f"    {row}\n" for row in rows)


def _origin(model: PublishedModel) -> str:
    """Say what a bundle was made of; by these words it is known again."""
    files = (model.checkpoint, model.rois, model.output_mask)
    return f"Made of {', '.join(f'{file.name} (git blob {file.git_blob_sha1})' for file in files)}."


def _card(model: PublishedModel, architecture: Architecture) -> Card:
    n_channels, notice = architecture.out_channels, model.notice
    names = model.contrasts.get(n_channels, ())
    known = {contrast.source_name: contrast for contrast in load_contrasts()}
    contrasts = tuple(known.values()) if names is None else tuple(known[name] for name in names)
    if not contrasts:
        contrasts = number_channels(n_channels)
        notice += f" It is not known what its {n_channels} output channels predict, so they are numbered."
    return Card(
        name=model.name,
        description=model.description,
        architecture=architecture,
        contrasts=contrasts,
        roi_set=model.rois.name,
        input_mask=model.input_mask,
        window_minutes=model.window_minutes,
        training=f"{model.training} {_origin(model)}",
        licence=model.licence,
        citation=model.citation,
        parent=model.parent,
        notice=notice.strip(),
    )


def _replaced(bundle: Bundle, folder: Path) -> Bundle:
    """Put a bundle in the place of what is there."""
    replace_folder(bundle.folder, folder)
    return replace(bundle, folder=folder)

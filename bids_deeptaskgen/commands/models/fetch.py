"""``deeptaskgen models fetch``: download a published model and install it as a model bundle."""

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

# Limits of the search in --from, in case a user gives a whole disk by mistake.
_MAX_DEPTH = 5
_MAX_FOLDERS = 2_000


def run(settings: ModelsFetchSettings) -> int:
    """Download and install a published model.

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
        If the name is unknown, the files are not available, or another folder has that name.
    OSError
        If the disk is full or cannot be written.
    """
    model = find_published(settings.name)
    folder = models_home() / model.name
    if not settings.overwrite and load_installed(model, folder):
        sys.stdout.write(
            f"{model.name} is already installed in {folder}; its files are intact.\n"
            f"`deeptaskgen models info {model.name}` describes it.\n"
        )
        return 0
    bundle = fetch_model(model, settings.from_folder, RetryPolicy(), overwrite=settings.overwrite)
    sys.stdout.write(
        f"{model.name} is now installed in {folder}.\nIts files are not part of this software. Their own "
        f"licence, see below, applies if you redistribute them.\n\n{describe(bundle)}"
    )
    return 0


def find_published(name: str) -> PublishedModel:
    """Find a published model in the registry.

    Parameters
    ----------
    name : str
        Name in the registry.

    Returns
    -------
    PublishedModel

    Raises
    ------
    UserError
        If the registry has no model of that name.
    """
    models = published_models()
    if name in models:
        return models[name]
    reason = "it is part of this software" if name == EMBEDDED else "no published model has that name"
    message = (
        f"{name!r} cannot be fetched: {reason}. Published models: {', '.join(models)}.\n"
        "To use another checkpoint, run `deeptaskgen models import`."
    )
    raise UserError(message)


def fetch_model(
    model: PublishedModel, from_folder: Path | None, retry_policy: RetryPolicy, *, overwrite: bool = False
) -> Bundle:
    """Download or copy a model's files and create its bundle; after an error, no bundle exists.

    Files are saved in `downloads_home` under their hashes, so that another attempt, or another model, needs
    only the missing files.

    Parameters
    ----------
    model : PublishedModel
    from_folder : Path or None
        Folder with the files; None downloads them.
    retry_policy : RetryPolicy
        Timeouts and retries of downloads.
    overwrite : bool
        Replace an installed model of the same name.

    Returns
    -------
    Bundle
        Installed in `models_home` under the model's name.

    Raises
    ------
    UserError
        If files are not available or inconsistent, or another folder has the model's name.
    """
    folder = models_home() / model.name
    remove_stale_files(downloads_home())
    remove_stale_files(models_home(), recursive=False)
    if from_folder:
        _copy_files(model, from_folder)
    else:
        _download(model, retry_policy)
    output_mask, rois, checkpoint = (_download_path(file) for file in model.files)
    bundle_folder = temporary_sibling(folder, "new") if overwrite else folder
    # Imported here because torch and nilearn take seconds.
    from bids_deeptaskgen.nn.new_bundle import bundle_from_checkpoint

    try:
        bundle = bundle_from_checkpoint(
            bundle_folder, checkpoint, rois, output_mask, lambda shape: _card(model, shape)
        )
    except UserError:
        # Another process may have installed the same model in the meantime.
        if overwrite or not (existing_bundle := load_installed(model, folder)):
            raise
        return existing_bundle
    return _replace_bundle(bundle, folder) if overwrite else bundle


def load_installed(model: PublishedModel, folder: Path) -> Bundle | None:
    """Load the bundle of a published model, if it is installed.

    Parameters
    ----------
    model : PublishedModel
    folder : Path
        Folder of the bundle.

    Returns
    -------
    Bundle or None
        None if the folder does not exist.

    Raises
    ------
    UserError
        If the bundle is damaged, or was created from other files than the published ones.
    """
    if not folder.exists():
        return None
    solution = f"Replace it with `deeptaskgen models fetch {model.name} --overwrite`, or rename that folder."
    try:
        bundle = load_bundle(folder)
    except UserError as error:
        message = f"{error}\n{solution}"
        raise UserError(message) from error
    if _origin(model) not in bundle.card.training:
        message = (
            f"{folder}: this model was not created from the published files. Its model card describes its "
            f"training as: {bundle.card.training}\n{solution}"
        )
        raise UserError(message)
    return bundle


def _download_path(file: PublishedFile) -> Path:
    """Return the path of a downloaded file: under its hash, because names are not unique."""
    return downloads_home() / file.git_blob_sha1 / file.name


def _download(model: PublishedModel, retry_policy: RetryPolicy) -> None:
    missing_files = [file for file in model.files if not is_valid(_download_path(file), file.git_blob_sha1)]
    descriptions = "".join(_describe(file, f"or save it as {_download_path(file)}") for file in missing_files)
    advice = (
        f"Try again later, or download the missing files to a folder by other means and run\n"
        f"`deeptaskgen models fetch {model.name} --from FOLDER`:\n{descriptions}".rstrip()
    )
    for file in missing_files:
        download(file.url, _download_path(file), file.git_blob_sha1, advice, retry_policy)


def _copy_files(model: PublishedModel, folder: Path) -> None:
    """Copy a model's files from a folder, either all of them or none."""
    by_name, is_complete = _search(folder, {file.name for file in model.files})
    sources, missing_texts = {}, []
    for file in model.files:
        if is_valid(_download_path(file), file.git_blob_sha1):
            continue
        mismatches = {path: describe_mismatch(path, file.git_blob_sha1) for path in by_name[file.name]}
        if valid_paths := [path for path, mismatch in mismatches.items() if mismatch is None]:
            sources[file] = valid_paths[0]
        else:
            notes = (f"found {path}: {mismatch}" for path, mismatch in mismatches.items())
            missing_texts.append(_describe(file, *notes))
    if missing_texts:
        limit = "" if is_complete else f" (only its first {_MAX_FOLDERS:,} folders were searched)"
        message = (
            f"{folder}: {len(missing_texts)} of the {len(model.files)} files of {model.name} are missing or "
            f"invalid{limit}. Add these files, and run this command again:\n{''.join(missing_texts).rstrip()}"
        )
        raise UserError(message)
    for file, source in sources.items():
        with atomic_path(_download_path(file)) as temporary:
            shutil.copyfile(source, temporary)
            if mismatch := describe_mismatch(temporary, file.git_blob_sha1):
                message = (
                    f"{source}: the file changed while it was copied: {mismatch}. Run this command again."
                )
                raise UserError(message)


def _search(folder: Path, names: set[str]) -> tuple[dict[str, list[Path]], bool]:
    """Find files by name in a folder and its subfolders; return also whether all folders were searched."""
    if not folder.is_dir():
        message = f"{folder}: no such folder. Set --from to the folder with the files."
        raise UserError(message)
    by_name: dict[str, list[Path]] = {name: [] for name in names}
    for n_folders, (parent, folders, files) in enumerate(os.walk(folder)):
        if n_folders == _MAX_FOLDERS:
            return by_name, False
        folders.sort()
        if len(Path(parent).relative_to(folder).parts) == _MAX_DEPTH:
            folders.clear()
        for name in names.intersection(files):
            by_name[name].append(Path(parent, name))
    return by_name, True


def _describe(file: PublishedFile, *notes: str) -> str:
    """Describe a file by name, address and hash, one per line."""
    rows = [f"from {file.address}", f"git blob sha1 {file.git_blob_sha1}", *notes]
    return f"  {file.name}\n" + "".join(f"    {row}\n" for row in rows)


def _origin(model: PublishedModel) -> str:
    """Describe the files of a bundle. `load_installed` compares this text, so do not change it."""
    files = (model.checkpoint, model.rois, model.output_mask)
    return f"Made of {', '.join(f'{file.name} (git blob {file.git_blob_sha1})' for file in files)}."


def _card(model: PublishedModel, architecture: Architecture) -> Card:
    n_channels, notice = architecture.out_channels, model.notice
    names = model.contrasts.get(n_channels, ())
    by_name = {contrast.source_name: contrast for contrast in load_contrasts()}
    contrasts = tuple(by_name.values()) if names is None else tuple(by_name[name] for name in names)
    if not contrasts:
        contrasts = number_channels(n_channels)
        notice += f" The contrasts of its {n_channels} output channels are unknown, so they are numbered."
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


def _replace_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Move a bundle to a folder, and delete the previous content of that folder."""
    replace_folder(bundle.folder, folder)
    return replace(bundle, folder=folder)

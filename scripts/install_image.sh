#!/bin/sh
# Install the program in an image, for Dockerfile and Singularity.def alike. Run as root in the folder of the sources.
#
#   install_image.sh libraries cpu|cuda INDEX   the libraries of constraints.txt; torch for CPUs, from an index with such
#                                               builds, or with CUDA
#   install_image.sh program VERSION            the program itself, and the byte code that a read-only image cannot write
set -eu
umask 022
export PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
export TEMPLATEFLOW_HOME=/opt/templateflow TEMPLATEFLOW_AUTOUPDATE=off NIPYPE_NO_ET=1 NO_ET=1 MPLBACKEND=Agg
EXTRAS=train,warp

# The modules that a run imports get their byte code below; that of all modules is 250 MB.
install() { python3 -m pip install --no-compile "$@"; }

# On Linux, PyPI's torch requires some GB of CUDA libraries. An index of builds for CPUs marks its wheels with +cpu.
install_torch() {
    version=$(sed -n 's/^torch==//p' constraints.txt)
    case $1 in
        cpu) install -c constraints.txt --retries 1 --timeout 60 --extra-index-url "$2" "torch==$version+cpu" ;;
        cuda) install -c constraints.txt "torch==$version" ;;
        *) echo "TORCH=$1 is not known. Use TORCH=cpu or TORCH=cuda." >&2; exit 2 ;;
    esac
}

# Headers, static libraries and test programs of torch and pyarrow, and tests of all libraries: no run uses them.
remove_unused() {
    python3 -c 'import site; print("\n".join(site.getsitepackages()))' | while read -r packages; do
        [ -d "$packages" ] || continue
        rm -rf "$packages/torch/include" "$packages/torch/test" "$packages/pyarrow/include" "$packages/pyarrow/src"
        find "$packages/torch/bin" -type f -name '*test*' -delete 2>/dev/null || true
        find "$packages" -name '*.a' -type f -delete
        find "$packages" -type d -name tests -prune -exec rm -rf {} +
    done
}

# TemplateFlow lists its files at its first import, which a read-only image could not store.
fetch_transform() {
    python3 -W ignore -c "import templateflow.conf"
    if ! timeout 300 python3 -W ignore - <<'PYTHON'
import sys

from bids_deeptaskgen.connectome.template_warp import find_transform
from bids_deeptaskgen.errors import UserError

try:
    print("contained:", find_transform())
except UserError as reason:
    sys.exit(str(reason).splitlines()[0])
PYTHON
    then
        printf '%s\n' "This image does not contain TemplateFlow's transform between MNI152NLin2009cAsym and" \
            "MNI152NLin6Asym. --allow-template-warp needs it as a bound file: see docs/how-to/containers.md." >&2
        # An interrupted download leaves a part of the file; TemplateFlow expects an empty one.
        find "$TEMPLATEFLOW_HOME" -name '*_xfm.h5' -exec truncate -s 0 {} +
    fi
}

# Import every module of the program, and run it, so that Python stores the byte code of all that is used.
write_byte_code() {
    work=$(mktemp -d)
    unset PYTHONDONTWRITEBYTECODE
    MPLCONFIGDIR=$work python3 -W ignore - <<'PYTHON'
import importlib
import pkgutil

import bids_deeptaskgen
import lightning
import nitransforms

for module in pkgutil.walk_packages(bids_deeptaskgen.__path__, "bids_deeptaskgen."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
PYTHON
    MPLCONFIGDIR=$work deeptaskgen demo "$work/demo" --nprocs 1 >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    rm -rf "$work"
}

case $1 in
    libraries)
        install -c constraints.txt setuptools setuptools-scm wheel
        install_torch "$2" "$3"
        # setup.cfg lists the libraries; the program itself is not here yet, so that its changes do not repeat this step.
        mkdir -p bids_deeptaskgen
        touch bids_deeptaskgen/__init__.py README.md LICENSE
        SETUPTOOLS_SCM_PRETEND_VERSION=0 install -c constraints.txt --no-build-isolation ".[$EXTRAS]"
        python3 -m pip uninstall --yes bids-deeptaskgen
        rm -rf bids_deeptaskgen README.md LICENSE build ./*.egg-info
        remove_unused
        ;;
    program)
        SETUPTOOLS_SCM_PRETEND_VERSION=$2 install -c constraints.txt --no-build-isolation --no-deps .
        python3 -m pip check
        # The sources are installed; what a later step could import from here would hide the installed program.
        here=$PWD
        cd /
        rm -rf "$here"
        fetch_transform
        write_byte_code
        bids-deeptaskgen --version
        ;;
    *)
        echo "usage: install_image.sh libraries cpu|cuda INDEX, or install_image.sh program VERSION" >&2
        exit 2
        ;;
esac

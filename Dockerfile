FROM python:3.11-slim

ENV PYTHONNOUSERSITE=1 \
    TEMPLATEFLOW_HOME=/opt/templateflow \
    TEMPLATEFLOW_AUTOUPDATE=off

# The libraries are a separate layer, so that a change of code, version or README does not download torch again.
# Byte code is compiled here, because it cannot be written to a read-only file system later. The base image has none for
# the standard library, and the start would take three times as long.
WORKDIR /opt/src
COPY setup.cfg pyproject.toml constraints.txt ./
RUN mkdir bids_deeptaskgen \
    && touch bids_deeptaskgen/__init__.py README.md LICENSE \
    && export SETUPTOOLS_SCM_PRETEND_VERSION=0 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    && python -m pip install -c constraints.txt setuptools setuptools-scm wheel \
    && python -m pip install -c constraints.txt --no-build-isolation '.[warp]' \
    && for unused in torch/test torch/include pandas/tests; do rm -rf /usr/local/lib/python3*/*-packages/"$unused"; done \
    && python -m compileall -q -x 'packages/|/tests?/' "$(python -c 'import os; print(os.path.dirname(os.__file__))')" \
    && python -W ignore -c "import templateflow.conf"

# The image does not contain .git; `make image` passes the version.
ARG VERSION=0.1.0
COPY README.md LICENSE ./
COPY bids_deeptaskgen bids_deeptaskgen
RUN export SETUPTOOLS_SCM_PRETEND_VERSION="$VERSION" PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    && python -m pip install --no-build-isolation --no-deps --force-reinstall . \
    && rm -rf build ./*.egg-info \
    && bids-deeptaskgen --version

LABEL org.opencontainers.image.title="bids_deeptaskgen" \
      org.opencontainers.image.description="BIDS App: task-contrast maps predicted from resting-state fMRI" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0"

# The image may run with any uid, without a home folder or network, and on a read-only root file system. Libraries write
# to /dev/shm, the only folder that docker keeps writable with --read-only.
ENV TMPDIR=/dev/shm \
    MPLCONFIGDIR=/dev/shm/matplotlib \
    MPLBACKEND=Agg \
    NIPYPE_NO_ET=1 \
    NO_ET=1

WORKDIR /
ENTRYPOINT ["bids-deeptaskgen"]

FROM python:3.11-slim

ENV PYTHONNOUSERSITE=1 \
    TEMPLATEFLOW_HOME=/opt/templateflow \
    TEMPLATEFLOW_AUTOUPDATE=off

# The libraries are a separate layer, so that a change of the program does not download torch again.
ARG TORCH=cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /opt/src
COPY setup.cfg pyproject.toml constraints.txt scripts/install_image.sh ./
RUN ./install_image.sh libraries "$TORCH" "$TORCH_INDEX"

# The image does not contain .git: `make image` passes the version, which setuptools-scm determines from it.
ARG VERSION=0+unknown
COPY README.md LICENSE ./
COPY bids_deeptaskgen bids_deeptaskgen
RUN ./install_image.sh program "$VERSION"

ARG REVISION=unknown
LABEL org.opencontainers.image.title="bids_deeptaskgen" \
      org.opencontainers.image.description="BIDS App: task-contrast maps predicted from resting-state fMRI" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.authors="The bids_deeptaskgen developers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11-slim" \
      bids_deeptaskgen.torch="$TORCH"

# The image may run with any uid, without a home folder or network, and on a read-only root file system. Libraries write
# to /dev/shm, the only folder that docker keeps writable with --read-only. Models are in a folder that users bind.
ENV TMPDIR=/dev/shm \
    MPLCONFIGDIR=/dev/shm/matplotlib \
    MPLBACKEND=Agg \
    NIPYPE_NO_ET=1 \
    NO_ET=1 \
    DEEPTASKGEN_HOME=/deeptaskgen

WORKDIR /
ENTRYPOINT ["bids-deeptaskgen"]

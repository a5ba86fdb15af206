#!/bin/sh
# Installs what building and running the image takes, and starts a container with it.
# Where that cannot be, says why in a line and fails. As root on Debian.
set -u
cd "$(dirname "$0")"
image=docker.io/library/python:3.11-slim-bookworm
no() {
    echo "$1"
    exit 1
}
install() {
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}
test "$(id -u)" = 0 || no "it takes root to build and to run containers"
for tool in buildah podman runc debootstrap; do
    command -v $tool > /dev/null && continue
    said=$(install buildah podman runc debootstrap 2>&1) || no "its tools cannot be installed: $(echo "$said" | tail -1)"
    break
done
said=$(sh base_image.sh 2>&1) || no "the base image cannot be made: $(echo "$said" | tail -1)"
said=$(CONTAINERS_CONF=$PWD/containers.conf podman run --rm --memory 64m --network host $image true 2>&1) ||
    no "no container can be started: $(echo "$said" | tail -1)"

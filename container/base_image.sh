#!/bin/sh
# Stands in for the official Python image where no registry can be reached: Debian's own Python 3.11 under its name.
# As root on Debian, with buildah and debootstrap; does nothing when an image of that name is there.
set -eu
image=docker.io/library/python:3.11-slim-bookworm
if buildah inspect --type image "$image" > /dev/null 2>&1; then exit 0; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase --include=python3,python3-pip,python3-venv,ca-certificates,binutils bookworm "$folder" > /dev/null
rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/* "$folder"/usr/share/doc "$folder"/usr/share/man
rm -f "$folder"/usr/lib/python3*/EXTERNALLY-MANAGED
ln -sf python3 "$folder/usr/bin/python"
ln -sf pip3 "$folder/usr/bin/pip"
container=$(buildah from scratch)
buildah copy -q "$container" "$folder" / > /dev/null
buildah config --cmd python3 --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
buildah commit -q --rm "$container" "$image" > /dev/null

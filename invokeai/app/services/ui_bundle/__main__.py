"""`python -m invokeai.app.services.ui_bundle`: prepare the web UI before the first start, or for a static host."""

import argparse
import sys
from pathlib import Path

from invokeai.app.services.shared.cache_folder import cache_folder
from invokeai.app.services.ui_bundle.build import build_bundle, ensure_bundle, export_site, find_bundle
from invokeai.app.services.ui_bundle.patches import UiBundleError


def main(arguments: list[str] | None = None) -> int:
    """Prepare the bundle and print where it is; 1 and a sentence when that fails."""
    parser = argparse.ArgumentParser(prog="invokeai.app.services.ui_bundle", description=__doc__)
    parser.add_argument("--wheel", type=Path, help="use this wheel instead of downloading the pinned one")
    parser.add_argument(
        "--export", type=Path, metavar="FOLDER", help="copy the files to FOLDER, replacing what is there"
    )
    options = parser.parse_args(arguments)
    folder = cache_folder()
    try:
        bundle = find_bundle(folder)
        if bundle is None and options.wheel is not None:
            folder.mkdir(parents=True, exist_ok=True)
            bundle = build_bundle(folder, options.wheel)
        bundle = bundle or ensure_bundle(folder)
        if options.export is not None:
            export_site(bundle, options.export)
    except (UiBundleError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(options.export or bundle)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())

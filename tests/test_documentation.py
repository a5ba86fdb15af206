"""What README and plans say is what the code does."""

import re
from pathlib import Path

import pytest

from invokeai.app.services.config.settings_table import settings_table
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.registry import load_providers

REPOSITORY = Path(__file__).parents[1]
FOLDERS = (REPOSITORY / "plans", REPOSITORY / "docs")
README_NAMES = {"seedream": ("Seedream",), "openai_compatible": ("OpenAI-compatible",)}
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CHANGELOG.md",
    *(page for f in FOLDERS for page in sorted(f.glob("*.md"))),
]


def test_readme_lists_every_setting_with_its_default() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    found = re.search(r"<!-- settings: .*?-->\n(.*?)<!-- end of settings -->", readme, re.DOTALL)
    assert found, "README has no settings"
    assert found[1] == settings_table()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_make_target_that_readme_names_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    named = set(re.findall(r"`?make ([a-z-]+)", (REPOSITORY / "README.md").read_text()))
    assert named and {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


def test_readme_names_every_option_of_every_provider() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", readme, re.MULTILINE))
    with_options = [p.info for p in load_providers(lambda _: ProviderCredentials(), None) if p.info.options]
    for info in with_options:
        [row] = [rows[name] for name in rows if name in (info.display_name, *README_NAMES.get(info.provider_id, ()))]
        assert set(re.findall(r"`(\w+)`", row)) == info.options, info.display_name

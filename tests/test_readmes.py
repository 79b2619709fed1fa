"""Every package has a README that names each of its modules, as the modules describe themselves."""

from __future__ import annotations

import pytest

from tests import readmes
from tests.support.packages import ALL


@pytest.mark.parametrize("package", ALL)
def test_a_readme_lists_the_modules_there_are(package: str) -> None:
    text = readmes.readme(package).read_text(encoding="utf-8")
    assert readmes.BEGIN in text
    assert text == readmes.written(package), "run: python -m tests.readmes"


@pytest.mark.parametrize("package", ALL)
def test_every_module_says_what_it_is(package: str) -> None:
    silent = [path for folder in readmes.folders(package) for path in folder.glob("*.py") if not readmes.summary(path)]
    assert silent == []
